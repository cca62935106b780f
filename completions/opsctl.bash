# bash completion for opsctl. Generated from the command tree by `make completions`; do not edit.
# It never starts Python: names of services, runbooks and contexts come from small files that opsctl keeps.

_opsctl() {
    local cur prev path word words='' kind='' skip='' i cache
    COMPREPLY=()
    cur=${COMP_WORDS[COMP_CWORD]}
    prev=${COMP_WORDS[COMP_CWORD-1]}
    path=''
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ -n $skip ]]; then
            skip=''
            continue
        fi
        case $word in
            --alertmanager-url|--at|--cache-below|--config|--context|--deploy-within|--kubeconfig|--kyrodb-slow|--llm-failures|--log-share|--output|--postgres-url|--prometheus-url|--redis-url|--runbooks|--service|--share|--since|--spike|--timeout|-o|-s) skip=1 ;;
            -*) ;;
            *) _opsctl_down "$word" ;;
        esac
    done
    if [[ -n $skip ]]; then
        _opsctl_values "$prev"
    elif [[ $cur == -* ]]; then
        _opsctl_flags
    else
        _opsctl_children
        if [[ -z $words$kind ]]; then
            _opsctl_arguments
        fi
    fi
    case $kind in
        service|runbook|context)
            cache=${XDG_CACHE_HOME:-$HOME/.cache}/opsctl/complete/$kind
            if [[ -r $cache ]]; then
                IFS= read -r -d '' word < "$cache"
                words="$words $word"
            fi
            ;;
        file) compopt -o default 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur")); return ;;
        folder) compopt -o default 2>/dev/null; COMPREPLY=($(compgen -d -- "$cur")); return ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
}

# Go down the tree by one word, where it names a subcommand; a second argument stays where it is.
_opsctl_down() {
    local words='' kind='' cache names
    _opsctl_children
    case " $words " in
        *" $1 "*) path=${path:+$path/}$1; return ;;
    esac
    if [[ -n $kind ]]; then
        path=${path:+$path/}'*'
    fi
}

_opsctl_children() {
    case $path in
        '') words='diagnose runbook' ;;
        'diagnose') words='high-error-rate high-latency'; kind=runbook ;;
        'runbook') words='list show lint' ;;
    esac
}

_opsctl_flags() {
    case $path in
        '') words='--config --context --runbooks --version -h --help' ;;
        'diagnose') words='-h --help' ;;
        'diagnose/high-error-rate') words='-s --service --share --log-share --deploy-within --llm-failures --at --since --timeout --direct --save --no-save --prometheus-url --alertmanager-url --postgres-url --redis-url --kubeconfig -o --output -h --help' ;;
        'diagnose/high-latency') words='-s --service --share --spike --deploy-within --kyrodb-slow --cache-below --at --since --timeout --direct --save --no-save --prometheus-url --alertmanager-url --postgres-url --redis-url --kubeconfig -o --output -h --help' ;;
        'diagnose/*') words='-s --service --at --since --timeout --direct --save --no-save --prometheus-url --alertmanager-url --postgres-url --redis-url --kubeconfig -o --output -h --help' ;;
        'runbook') words='-h --help' ;;
        'runbook/list') words='-o --output -h --help' ;;
        'runbook/show') words='--markdown -o --output -h --help' ;;
        'runbook/lint') words='-o --output -h --help' ;;
    esac
}

_opsctl_values() {
    case "$path $1" in
        ' --config') kind=file ;;
        ' --context') kind=context ;;
        ' --runbooks') kind=folder ;;
        'diagnose/high-error-rate -s') kind=service ;;
        'diagnose/high-error-rate --service') kind=service ;;
        'diagnose/high-error-rate --share') kind=none ;;
        'diagnose/high-error-rate --log-share') kind=none ;;
        'diagnose/high-error-rate --deploy-within') kind=none ;;
        'diagnose/high-error-rate --llm-failures') kind=none ;;
        'diagnose/high-error-rate --at') kind=none ;;
        'diagnose/high-error-rate --since') kind=none ;;
        'diagnose/high-error-rate --timeout') kind=none ;;
        'diagnose/high-error-rate --prometheus-url') kind=none ;;
        'diagnose/high-error-rate --alertmanager-url') kind=none ;;
        'diagnose/high-error-rate --postgres-url') kind=none ;;
        'diagnose/high-error-rate --redis-url') kind=none ;;
        'diagnose/high-error-rate --kubeconfig') kind=file ;;
        'diagnose/high-error-rate -o') words='text json' ;;
        'diagnose/high-error-rate --output') words='text json' ;;
        'diagnose/high-latency -s') kind=service ;;
        'diagnose/high-latency --service') kind=service ;;
        'diagnose/high-latency --share') kind=none ;;
        'diagnose/high-latency --spike') kind=none ;;
        'diagnose/high-latency --deploy-within') kind=none ;;
        'diagnose/high-latency --kyrodb-slow') kind=none ;;
        'diagnose/high-latency --cache-below') kind=none ;;
        'diagnose/high-latency --at') kind=none ;;
        'diagnose/high-latency --since') kind=none ;;
        'diagnose/high-latency --timeout') kind=none ;;
        'diagnose/high-latency --prometheus-url') kind=none ;;
        'diagnose/high-latency --alertmanager-url') kind=none ;;
        'diagnose/high-latency --postgres-url') kind=none ;;
        'diagnose/high-latency --redis-url') kind=none ;;
        'diagnose/high-latency --kubeconfig') kind=file ;;
        'diagnose/high-latency -o') words='text json' ;;
        'diagnose/high-latency --output') words='text json' ;;
        'diagnose/* -s') kind=service ;;
        'diagnose/* --service') kind=service ;;
        'diagnose/* --at') kind=none ;;
        'diagnose/* --since') kind=none ;;
        'diagnose/* --timeout') kind=none ;;
        'diagnose/* --prometheus-url') kind=none ;;
        'diagnose/* --alertmanager-url') kind=none ;;
        'diagnose/* --postgres-url') kind=none ;;
        'diagnose/* --redis-url') kind=none ;;
        'diagnose/* --kubeconfig') kind=file ;;
        'diagnose/* -o') words='text json' ;;
        'diagnose/* --output') words='text json' ;;
        'runbook/list -o') words='text json' ;;
        'runbook/list --output') words='text json' ;;
        'runbook/show -o') words='text json' ;;
        'runbook/show --output') words='text json' ;;
        'runbook/lint -o') words='text json' ;;
        'runbook/lint --output') words='text json' ;;
    esac
}

_opsctl_arguments() {
    case $path in
        'runbook/show') kind=runbook ;;
        'runbook/lint') kind=runbook ;;
    esac
}

complete -F _opsctl opsctl

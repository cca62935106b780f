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
            --alertmanager-url|--at|--cache-below|--config|--context|--deploy-within|--dir|--kubeconfig|--kyrodb-slow|--llm-failures|--log-share|--metrics|--output|--postgres-url|--prometheus-url|--redis-url|--runbooks|--service|--share|--since|--spike|--timeout|--title|-o|-s) skip=1 ;;
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
        '') words='diagnose runbook service context lab' ;;
        'diagnose') words='high-error-rate high-latency'; kind=runbook ;;
        'runbook') words='list show lint' ;;
        'service') words='list show lint new' ;;
        'context') words='list use show' ;;
        'lab') words='up down status break heal distract faults stop start' ;;
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
        'service') words='-h --help' ;;
        'service/list') words='-o --output -h --help' ;;
        'service/show') words='-o --output -h --help' ;;
        'service/lint') words='-o --output -h --help' ;;
        'service/new') words='--metrics --title -o --output -h --help' ;;
        'context') words='-h --help' ;;
        'context/list') words='-o --output -h --help' ;;
        'context/use') words='-o --output -h --help' ;;
        'context/show') words='--sources -o --output -h --help' ;;
        'lab') words='-h --help' ;;
        'lab/up') words='--dir -o --output -h --help' ;;
        'lab/down') words='--dir -o --output -h --help' ;;
        'lab/status') words='--dir -o --output -h --help' ;;
        'lab/break') words='--wait --no-wait --dir -o --output -h --help' ;;
        'lab/heal') words='--wait --no-wait --dir -o --output -h --help' ;;
        'lab/distract') words='--dir -o --output -h --help' ;;
        'lab/faults') words='-o --output -h --help' ;;
        'lab/stop') words='--dir -o --output -h --help' ;;
        'lab/start') words='--dir -o --output -h --help' ;;
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
        'service/list -o') words='text json' ;;
        'service/list --output') words='text json' ;;
        'service/show -o') words='text json' ;;
        'service/show --output') words='text json' ;;
        'service/lint -o') words='text json' ;;
        'service/lint --output') words='text json' ;;
        'service/new --metrics') kind=none ;;
        'service/new --title') kind=none ;;
        'service/new -o') words='text json' ;;
        'service/new --output') words='text json' ;;
        'context/list -o') words='text json' ;;
        'context/list --output') words='text json' ;;
        'context/use -o') words='text json' ;;
        'context/use --output') words='text json' ;;
        'context/show -o') words='text json' ;;
        'context/show --output') words='text json' ;;
        'lab/up --dir') kind=folder ;;
        'lab/up -o') words='text json' ;;
        'lab/up --output') words='text json' ;;
        'lab/down --dir') kind=folder ;;
        'lab/down -o') words='text json' ;;
        'lab/down --output') words='text json' ;;
        'lab/status --dir') kind=folder ;;
        'lab/status -o') words='text json' ;;
        'lab/status --output') words='text json' ;;
        'lab/break --dir') kind=folder ;;
        'lab/break -o') words='text json' ;;
        'lab/break --output') words='text json' ;;
        'lab/heal --dir') kind=folder ;;
        'lab/heal -o') words='text json' ;;
        'lab/heal --output') words='text json' ;;
        'lab/distract --dir') kind=folder ;;
        'lab/distract -o') words='text json' ;;
        'lab/distract --output') words='text json' ;;
        'lab/faults -o') words='text json' ;;
        'lab/faults --output') words='text json' ;;
        'lab/stop --dir') kind=folder ;;
        'lab/stop -o') words='text json' ;;
        'lab/stop --output') words='text json' ;;
        'lab/start --dir') kind=folder ;;
        'lab/start -o') words='text json' ;;
        'lab/start --output') words='text json' ;;
    esac
}

_opsctl_arguments() {
    case $path in
        'runbook/show') kind=runbook ;;
        'runbook/lint') kind=runbook ;;
        'service/show') kind=service ;;
        'service/lint') kind=service ;;
        'context/use') kind=context ;;
        'context/show') kind=context ;;
        'lab/break') words='kyrodb-slow embedding-slow llm-slow traffic-spike single-endpoint-slow bad-deploy cpu-saturation memory-pressure db-locks pool-exhausted slow-statement stale-statistics redis-slow breaker-detour cache-cold validation-errors authentication-errors kyrodb-errors llm-errors bad-deploy-errors timeouts circuit-breaker-open agent-database-errors database-down pool-timeouts cache-fallback-failure partition-error unhandled-exception redis-down' ;;
        'lab/heal') words='kyrodb-slow embedding-slow llm-slow traffic-spike single-endpoint-slow bad-deploy cpu-saturation memory-pressure db-locks pool-exhausted slow-statement stale-statistics redis-slow breaker-detour cache-cold validation-errors authentication-errors kyrodb-errors llm-errors bad-deploy-errors timeouts circuit-breaker-open agent-database-errors database-down pool-timeouts cache-fallback-failure partition-error unhandled-exception redis-down' ;;
    esac
}

complete -F _opsctl opsctl

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
            --add|--ahead|--alertmanager-url|--allow|--allow-count|--around|--at|--author|--cache-below|--cases|--category|--clock-skew|--collected-within|--comment|--config|--context|--day|--deploy-within|--dir|--ending-within|--every|--expired-soon|--few|--first|--for|--from|--grants|--group-by|--growth|--hits-below|--id|--image|--jitter|--kubeconfig|--kyrodb-slow|--limit|--llm-failures|--log-share|--matcher|--max|--metrics|--namespace|--near|--never|--only|--output|--output-file|--ping-url|--policy|--postgres-url|--prometheus-url|--redis-url|--replay|--restarted-within|--role|--runbook|--runbooks|--scan-rows|--service|--share|--since|--slow|--spike|--start|--state|--targets|--textfile|--throttled|--ticket|--timeout|--title|--unready-for|--until|--url|--verdict|--watchdog|--window|--zone|-a|-c|-m|-n|-o|-r|-s) skip=1 ;;
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
        '') words='diagnose healthcheck changes runbook service probe context report silence alerts doctor lab' ;;
        'diagnose') words='high-error-rate high-latency high-timeout-rate low-cache-hit-rate monitoring-stale resource-exhaustion service-down slow-queries'; kind=runbook ;;
        'healthcheck') words='install' ;;
        'runbook') words='list show lint test new' ;;
        'service') words='list show lint check new' ;;
        'probe') words='list show' ;;
        'context') words='list use show' ;;
        'report') words='list show diff' ;;
        'silence') words='create preview list show extend expire ack renew export import schedule' ;;
        'silence/schedule') words='next plan apply' ;;
        'alerts') words='list explain history log volume noise digest' ;;
        'lab') words='up down status break heal distract faults stop start' ;;
    esac
}

_opsctl_flags() {
    case $path in
        '') words='--config --context --runbooks --version -h --help' ;;
        'diagnose') words='-h --help' ;;
        'diagnose/high-error-rate') words='-s --service --share --log-share --deploy-within --llm-failures --at --since --timeout --direct --watch --every --follow --replay --save --no-save --prometheus-url --alertmanager-url --postgres-url --redis-url --kubeconfig -o --output --output-file -h --help' ;;
        'diagnose/high-latency') words='-s --service --share --spike --deploy-within --kyrodb-slow --cache-below --at --since --timeout --direct --watch --every --follow --replay --save --no-save --prometheus-url --alertmanager-url --postgres-url --redis-url --kubeconfig -o --output --output-file -h --help' ;;
        'diagnose/high-timeout-rate') words='-s --service --near --share --spike --deploy-within --at --since --timeout --direct --watch --every --follow --replay --save --no-save --prometheus-url --alertmanager-url --postgres-url --redis-url --kubeconfig -o --output --output-file -h --help' ;;
        'diagnose/low-cache-hit-rate') words='-s --service --hits-below --few --restarted-within --at --since --timeout --direct --watch --every --follow --replay --save --no-save --prometheus-url --alertmanager-url --postgres-url --redis-url --kubeconfig -o --output --output-file -h --help' ;;
        'diagnose/monitoring-stale') words='-s --service --clock-skew --collected-within --at --since --timeout --direct --watch --every --follow --replay --save --no-save --prometheus-url --alertmanager-url --postgres-url --redis-url --kubeconfig -o --output --output-file -h --help' ;;
        'diagnose/resource-exhaustion') words='-s --service --growth --spike --throttled --at --since --timeout --direct --watch --every --follow --replay --save --no-save --prometheus-url --alertmanager-url --postgres-url --redis-url --kubeconfig -o --output --output-file -h --help' ;;
        'diagnose/service-down') words='-s --service --window --unready-for --at --since --timeout --direct --watch --every --follow --replay --save --no-save --prometheus-url --alertmanager-url --postgres-url --redis-url --kubeconfig -o --output --output-file -h --help' ;;
        'diagnose/slow-queries') words='-s --service --slow --scan-rows --share --at --since --timeout --direct --watch --every --follow --replay --save --no-save --prometheus-url --alertmanager-url --postgres-url --redis-url --kubeconfig -o --output --output-file -h --help' ;;
        'diagnose/*') words='-s --service --at --since --timeout --direct --watch --every --follow --replay --save --no-save --prometheus-url --alertmanager-url --postgres-url --redis-url --kubeconfig -o --output --output-file -h --help' ;;
        'healthcheck') words='-s --service --all --only --deep --url --targets --timeout --watchdog -q --quiet --on-change --lock --lock-skip --jitter --textfile --ping-url --ping-fail-on-warning -v --verbose -o --output -h --help' ;;
        'healthcheck/install') words='--cron --systemd --kubernetes --every --image --namespace -h --help' ;;
        'changes') words='-s --service --since --around --timeout -o --output -h --help' ;;
        'runbook') words='-h --help' ;;
        'runbook/list') words='-o --output -h --help' ;;
        'runbook/show') words='--markdown -o --output -h --help' ;;
        'runbook/lint') words='-o --output -h --help' ;;
        'runbook/test') words='--cases --add --first --never --verdict --title -o --output -h --help' ;;
        'runbook/new') words='--from --dir -o --output -h --help' ;;
        'service') words='-h --help' ;;
        'service/list') words='-o --output -h --help' ;;
        'service/show') words='-o --output -h --help' ;;
        'service/lint') words='-o --output -h --help' ;;
        'service/check') words='--timeout -v --verbose -o --output -h --help' ;;
        'service/new') words='--metrics --title -o --output -h --help' ;;
        'probe') words='-h --help' ;;
        'probe/list') words='-o --output -h --help' ;;
        'probe/show') words='--markdown -o --output -h --help' ;;
        'context') words='-h --help' ;;
        'context/list') words='-o --output -h --help' ;;
        'context/use') words='-o --output -h --help' ;;
        'context/show') words='--sources -o --output -h --help' ;;
        'report') words='-h --help' ;;
        'report/list') words='-s --service --runbook --since --limit -o --output -h --help' ;;
        'report/show') words='-o --output -h --help' ;;
        'report/diff') words='-o --output -h --help' ;;
        'silence') words='-h --help' ;;
        'silence/create') words='--for --until --start --zone -c --comment --ticket -a --author -s --service --preview --allow --allow-count -y --yes --alertmanager-url --prometheus-url --policy --timeout -o --output -h --help' ;;
        'silence/preview') words='--for --until --start --zone -s --service --allow --allow-count --alertmanager-url --prometheus-url --policy --timeout -o --output -h --help' ;;
        'silence/list') words='--state -m --matcher --mine --ending-within --zone --alertmanager-url --timeout -o --output -h --help' ;;
        'silence/show') words='--zone --alertmanager-url --timeout -o --output -h --help' ;;
        'silence/extend') words='--until --zone -y --yes --alertmanager-url --policy --timeout -o --output -h --help' ;;
        'silence/expire') words='-m --matcher --mine --expired-soon -y --yes --zone --alertmanager-url --timeout -o --output -h --help' ;;
        'silence/ack') words='--for --max -c --comment --ticket -a --author --allow --allow-count --zone --alertmanager-url --policy --timeout -o --output -h --help' ;;
        'silence/renew') words='-q --quiet --alertmanager-url --policy --timeout -o --output -h --help' ;;
        'silence/export') words='--state -m --matcher --mine --output-file --alertmanager-url --timeout -h --help' ;;
        'silence/import') words='--allow --allow-count --alertmanager-url --policy --timeout -o --output -h --help' ;;
        'silence/schedule') words='-h --help' ;;
        'silence/schedule/next') words='-n --id -o --output -h --help' ;;
        'silence/schedule/plan') words='--ahead --alertmanager-url --policy --timeout -o --output -h --help' ;;
        'silence/schedule/apply') words='--ahead -q --quiet --alertmanager-url --policy --timeout -o --output -h --help' ;;
        'alerts') words='-h --help' ;;
        'alerts/list') words='--state --group-by -s --service --limit --zone --alertmanager-url --prometheus-url --timeout -o --output -h --help' ;;
        'alerts/explain') words='--zone --alertmanager-url --timeout -o --output -h --help' ;;
        'alerts/history') words='--since -s --service --limit --zone --prometheus-url --timeout -o --output -h --help' ;;
        'alerts/log') words='-s --service --since --follow -f --every --alertmanager-url --timeout -o --output -h --help' ;;
        'alerts/volume') words='--day -s --service --zone --prometheus-url --timeout -o --output -h --help' ;;
        'alerts/noise') words='--since -s --service --limit --zone --alertmanager-url --prometheus-url --timeout -o --output -h --help' ;;
        'alerts/digest') words='--category -s --service --zone --alertmanager-url --timeout -o --output -h --help' ;;
        'doctor') words='-s --service --all --only --timeout --grants --role -v --verbose -o --output -h --help' ;;
        'lab') words='-h --help' ;;
        'lab/up') words='--service -s --dir -o --output -h --help' ;;
        'lab/down') words='--dir -o --output -h --help' ;;
        'lab/status') words='--dir -o --output -h --help' ;;
        'lab/break') words='--wait --no-wait --dir -o --output -h --help' ;;
        'lab/heal') words='--wait --no-wait --dir -o --output -h --help' ;;
        'lab/distract') words='--dir -o --output -h --help' ;;
        'lab/faults') words='--service -s --runbook -r --dir -o --output -h --help' ;;
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
        'diagnose/high-error-rate --every') kind=none ;;
        'diagnose/high-error-rate --replay') kind=none ;;
        'diagnose/high-error-rate --prometheus-url') kind=none ;;
        'diagnose/high-error-rate --alertmanager-url') kind=none ;;
        'diagnose/high-error-rate --postgres-url') kind=none ;;
        'diagnose/high-error-rate --redis-url') kind=none ;;
        'diagnose/high-error-rate --kubeconfig') kind=file ;;
        'diagnose/high-error-rate -o') words='text json markdown html' ;;
        'diagnose/high-error-rate --output') words='text json markdown html' ;;
        'diagnose/high-error-rate --output-file') kind=none ;;
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
        'diagnose/high-latency --every') kind=none ;;
        'diagnose/high-latency --replay') kind=none ;;
        'diagnose/high-latency --prometheus-url') kind=none ;;
        'diagnose/high-latency --alertmanager-url') kind=none ;;
        'diagnose/high-latency --postgres-url') kind=none ;;
        'diagnose/high-latency --redis-url') kind=none ;;
        'diagnose/high-latency --kubeconfig') kind=file ;;
        'diagnose/high-latency -o') words='text json markdown html' ;;
        'diagnose/high-latency --output') words='text json markdown html' ;;
        'diagnose/high-latency --output-file') kind=none ;;
        'diagnose/high-timeout-rate -s') kind=service ;;
        'diagnose/high-timeout-rate --service') kind=service ;;
        'diagnose/high-timeout-rate --near') kind=none ;;
        'diagnose/high-timeout-rate --share') kind=none ;;
        'diagnose/high-timeout-rate --spike') kind=none ;;
        'diagnose/high-timeout-rate --deploy-within') kind=none ;;
        'diagnose/high-timeout-rate --at') kind=none ;;
        'diagnose/high-timeout-rate --since') kind=none ;;
        'diagnose/high-timeout-rate --timeout') kind=none ;;
        'diagnose/high-timeout-rate --every') kind=none ;;
        'diagnose/high-timeout-rate --replay') kind=none ;;
        'diagnose/high-timeout-rate --prometheus-url') kind=none ;;
        'diagnose/high-timeout-rate --alertmanager-url') kind=none ;;
        'diagnose/high-timeout-rate --postgres-url') kind=none ;;
        'diagnose/high-timeout-rate --redis-url') kind=none ;;
        'diagnose/high-timeout-rate --kubeconfig') kind=file ;;
        'diagnose/high-timeout-rate -o') words='text json markdown html' ;;
        'diagnose/high-timeout-rate --output') words='text json markdown html' ;;
        'diagnose/high-timeout-rate --output-file') kind=none ;;
        'diagnose/low-cache-hit-rate -s') kind=service ;;
        'diagnose/low-cache-hit-rate --service') kind=service ;;
        'diagnose/low-cache-hit-rate --hits-below') kind=none ;;
        'diagnose/low-cache-hit-rate --few') kind=none ;;
        'diagnose/low-cache-hit-rate --restarted-within') kind=none ;;
        'diagnose/low-cache-hit-rate --at') kind=none ;;
        'diagnose/low-cache-hit-rate --since') kind=none ;;
        'diagnose/low-cache-hit-rate --timeout') kind=none ;;
        'diagnose/low-cache-hit-rate --every') kind=none ;;
        'diagnose/low-cache-hit-rate --replay') kind=none ;;
        'diagnose/low-cache-hit-rate --prometheus-url') kind=none ;;
        'diagnose/low-cache-hit-rate --alertmanager-url') kind=none ;;
        'diagnose/low-cache-hit-rate --postgres-url') kind=none ;;
        'diagnose/low-cache-hit-rate --redis-url') kind=none ;;
        'diagnose/low-cache-hit-rate --kubeconfig') kind=file ;;
        'diagnose/low-cache-hit-rate -o') words='text json markdown html' ;;
        'diagnose/low-cache-hit-rate --output') words='text json markdown html' ;;
        'diagnose/low-cache-hit-rate --output-file') kind=none ;;
        'diagnose/monitoring-stale -s') kind=service ;;
        'diagnose/monitoring-stale --service') kind=service ;;
        'diagnose/monitoring-stale --clock-skew') kind=none ;;
        'diagnose/monitoring-stale --collected-within') kind=none ;;
        'diagnose/monitoring-stale --at') kind=none ;;
        'diagnose/monitoring-stale --since') kind=none ;;
        'diagnose/monitoring-stale --timeout') kind=none ;;
        'diagnose/monitoring-stale --every') kind=none ;;
        'diagnose/monitoring-stale --replay') kind=none ;;
        'diagnose/monitoring-stale --prometheus-url') kind=none ;;
        'diagnose/monitoring-stale --alertmanager-url') kind=none ;;
        'diagnose/monitoring-stale --postgres-url') kind=none ;;
        'diagnose/monitoring-stale --redis-url') kind=none ;;
        'diagnose/monitoring-stale --kubeconfig') kind=file ;;
        'diagnose/monitoring-stale -o') words='text json markdown html' ;;
        'diagnose/monitoring-stale --output') words='text json markdown html' ;;
        'diagnose/monitoring-stale --output-file') kind=none ;;
        'diagnose/resource-exhaustion -s') kind=service ;;
        'diagnose/resource-exhaustion --service') kind=service ;;
        'diagnose/resource-exhaustion --growth') kind=none ;;
        'diagnose/resource-exhaustion --spike') kind=none ;;
        'diagnose/resource-exhaustion --throttled') kind=none ;;
        'diagnose/resource-exhaustion --at') kind=none ;;
        'diagnose/resource-exhaustion --since') kind=none ;;
        'diagnose/resource-exhaustion --timeout') kind=none ;;
        'diagnose/resource-exhaustion --every') kind=none ;;
        'diagnose/resource-exhaustion --replay') kind=none ;;
        'diagnose/resource-exhaustion --prometheus-url') kind=none ;;
        'diagnose/resource-exhaustion --alertmanager-url') kind=none ;;
        'diagnose/resource-exhaustion --postgres-url') kind=none ;;
        'diagnose/resource-exhaustion --redis-url') kind=none ;;
        'diagnose/resource-exhaustion --kubeconfig') kind=file ;;
        'diagnose/resource-exhaustion -o') words='text json markdown html' ;;
        'diagnose/resource-exhaustion --output') words='text json markdown html' ;;
        'diagnose/resource-exhaustion --output-file') kind=none ;;
        'diagnose/service-down -s') kind=service ;;
        'diagnose/service-down --service') kind=service ;;
        'diagnose/service-down --window') kind=none ;;
        'diagnose/service-down --unready-for') kind=none ;;
        'diagnose/service-down --at') kind=none ;;
        'diagnose/service-down --since') kind=none ;;
        'diagnose/service-down --timeout') kind=none ;;
        'diagnose/service-down --every') kind=none ;;
        'diagnose/service-down --replay') kind=none ;;
        'diagnose/service-down --prometheus-url') kind=none ;;
        'diagnose/service-down --alertmanager-url') kind=none ;;
        'diagnose/service-down --postgres-url') kind=none ;;
        'diagnose/service-down --redis-url') kind=none ;;
        'diagnose/service-down --kubeconfig') kind=file ;;
        'diagnose/service-down -o') words='text json markdown html' ;;
        'diagnose/service-down --output') words='text json markdown html' ;;
        'diagnose/service-down --output-file') kind=none ;;
        'diagnose/slow-queries -s') kind=service ;;
        'diagnose/slow-queries --service') kind=service ;;
        'diagnose/slow-queries --slow') kind=none ;;
        'diagnose/slow-queries --scan-rows') kind=none ;;
        'diagnose/slow-queries --share') kind=none ;;
        'diagnose/slow-queries --at') kind=none ;;
        'diagnose/slow-queries --since') kind=none ;;
        'diagnose/slow-queries --timeout') kind=none ;;
        'diagnose/slow-queries --every') kind=none ;;
        'diagnose/slow-queries --replay') kind=none ;;
        'diagnose/slow-queries --prometheus-url') kind=none ;;
        'diagnose/slow-queries --alertmanager-url') kind=none ;;
        'diagnose/slow-queries --postgres-url') kind=none ;;
        'diagnose/slow-queries --redis-url') kind=none ;;
        'diagnose/slow-queries --kubeconfig') kind=file ;;
        'diagnose/slow-queries -o') words='text json markdown html' ;;
        'diagnose/slow-queries --output') words='text json markdown html' ;;
        'diagnose/slow-queries --output-file') kind=none ;;
        'diagnose/* -s') kind=service ;;
        'diagnose/* --service') kind=service ;;
        'diagnose/* --at') kind=none ;;
        'diagnose/* --since') kind=none ;;
        'diagnose/* --timeout') kind=none ;;
        'diagnose/* --every') kind=none ;;
        'diagnose/* --replay') kind=none ;;
        'diagnose/* --prometheus-url') kind=none ;;
        'diagnose/* --alertmanager-url') kind=none ;;
        'diagnose/* --postgres-url') kind=none ;;
        'diagnose/* --redis-url') kind=none ;;
        'diagnose/* --kubeconfig') kind=file ;;
        'diagnose/* -o') words='text json markdown html' ;;
        'diagnose/* --output') words='text json markdown html' ;;
        'diagnose/* --output-file') kind=none ;;
        'healthcheck -s') kind=service ;;
        'healthcheck --service') kind=service ;;
        'healthcheck --only') kind=none ;;
        'healthcheck --url') kind=none ;;
        'healthcheck --targets') kind=none ;;
        'healthcheck --timeout') kind=none ;;
        'healthcheck --watchdog') kind=none ;;
        'healthcheck --jitter') kind=none ;;
        'healthcheck --textfile') kind=none ;;
        'healthcheck --ping-url') kind=none ;;
        'healthcheck -o') words='text json plugin' ;;
        'healthcheck --output') words='text json plugin' ;;
        'healthcheck/install --every') kind=none ;;
        'healthcheck/install --image') kind=none ;;
        'healthcheck/install --namespace') kind=none ;;
        'changes -s') kind=service ;;
        'changes --service') kind=service ;;
        'changes --since') kind=none ;;
        'changes --around') kind=none ;;
        'changes --timeout') kind=none ;;
        'changes -o') words='text json' ;;
        'changes --output') words='text json' ;;
        'runbook/list -o') words='text json' ;;
        'runbook/list --output') words='text json' ;;
        'runbook/show -o') words='text json' ;;
        'runbook/show --output') words='text json' ;;
        'runbook/lint -o') words='text json' ;;
        'runbook/lint --output') words='text json' ;;
        'runbook/test --cases') kind=folder ;;
        'runbook/test --add') kind=none ;;
        'runbook/test --first') kind=none ;;
        'runbook/test --never') kind=none ;;
        'runbook/test --verdict') kind=none ;;
        'runbook/test --title') kind=none ;;
        'runbook/test -o') words='text json' ;;
        'runbook/test --output') words='text json' ;;
        'runbook/new --from') kind=none ;;
        'runbook/new --dir') kind=folder ;;
        'runbook/new -o') words='text json' ;;
        'runbook/new --output') words='text json' ;;
        'service/list -o') words='text json' ;;
        'service/list --output') words='text json' ;;
        'service/show -o') words='text json' ;;
        'service/show --output') words='text json' ;;
        'service/lint -o') words='text json' ;;
        'service/lint --output') words='text json' ;;
        'service/check --timeout') kind=none ;;
        'service/check -o') words='text json' ;;
        'service/check --output') words='text json' ;;
        'service/new --metrics') kind=none ;;
        'service/new --title') kind=none ;;
        'service/new -o') words='text json' ;;
        'service/new --output') words='text json' ;;
        'probe/list -o') words='text json' ;;
        'probe/list --output') words='text json' ;;
        'probe/show -o') words='text json' ;;
        'probe/show --output') words='text json' ;;
        'context/list -o') words='text json' ;;
        'context/list --output') words='text json' ;;
        'context/use -o') words='text json' ;;
        'context/use --output') words='text json' ;;
        'context/show -o') words='text json' ;;
        'context/show --output') words='text json' ;;
        'report/list -s') kind=service ;;
        'report/list --service') kind=service ;;
        'report/list --runbook') kind=none ;;
        'report/list --since') kind=none ;;
        'report/list --limit') kind=none ;;
        'report/list -o') words='text json' ;;
        'report/list --output') words='text json' ;;
        'report/show -o') words='text json markdown html' ;;
        'report/show --output') words='text json markdown html' ;;
        'report/diff -o') words='text json' ;;
        'report/diff --output') words='text json' ;;
        'silence/create --for') kind=none ;;
        'silence/create --until') kind=none ;;
        'silence/create --start') kind=none ;;
        'silence/create --zone') kind=none ;;
        'silence/create -c') kind=none ;;
        'silence/create --comment') kind=none ;;
        'silence/create --ticket') kind=none ;;
        'silence/create -a') kind=none ;;
        'silence/create --author') kind=none ;;
        'silence/create -s') kind=service ;;
        'silence/create --service') kind=service ;;
        'silence/create --allow') kind=none ;;
        'silence/create --allow-count') kind=none ;;
        'silence/create --alertmanager-url') kind=none ;;
        'silence/create --prometheus-url') kind=none ;;
        'silence/create --policy') kind=file ;;
        'silence/create --timeout') kind=none ;;
        'silence/create -o') words='text json' ;;
        'silence/create --output') words='text json' ;;
        'silence/preview --for') kind=none ;;
        'silence/preview --until') kind=none ;;
        'silence/preview --start') kind=none ;;
        'silence/preview --zone') kind=none ;;
        'silence/preview -s') kind=service ;;
        'silence/preview --service') kind=service ;;
        'silence/preview --allow') kind=none ;;
        'silence/preview --allow-count') kind=none ;;
        'silence/preview --alertmanager-url') kind=none ;;
        'silence/preview --prometheus-url') kind=none ;;
        'silence/preview --policy') kind=file ;;
        'silence/preview --timeout') kind=none ;;
        'silence/preview -o') words='text json' ;;
        'silence/preview --output') words='text json' ;;
        'silence/list --state') kind=none ;;
        'silence/list -m') kind=none ;;
        'silence/list --matcher') kind=none ;;
        'silence/list --ending-within') kind=none ;;
        'silence/list --zone') kind=none ;;
        'silence/list --alertmanager-url') kind=none ;;
        'silence/list --timeout') kind=none ;;
        'silence/list -o') words='text json' ;;
        'silence/list --output') words='text json' ;;
        'silence/show --zone') kind=none ;;
        'silence/show --alertmanager-url') kind=none ;;
        'silence/show --timeout') kind=none ;;
        'silence/show -o') words='text json' ;;
        'silence/show --output') words='text json' ;;
        'silence/extend --until') kind=none ;;
        'silence/extend --zone') kind=none ;;
        'silence/extend --alertmanager-url') kind=none ;;
        'silence/extend --policy') kind=file ;;
        'silence/extend --timeout') kind=none ;;
        'silence/extend -o') words='text json' ;;
        'silence/extend --output') words='text json' ;;
        'silence/expire -m') kind=none ;;
        'silence/expire --matcher') kind=none ;;
        'silence/expire --expired-soon') kind=none ;;
        'silence/expire --zone') kind=none ;;
        'silence/expire --alertmanager-url') kind=none ;;
        'silence/expire --timeout') kind=none ;;
        'silence/expire -o') words='text json' ;;
        'silence/expire --output') words='text json' ;;
        'silence/ack --for') kind=none ;;
        'silence/ack --max') kind=none ;;
        'silence/ack -c') kind=none ;;
        'silence/ack --comment') kind=none ;;
        'silence/ack --ticket') kind=none ;;
        'silence/ack -a') kind=none ;;
        'silence/ack --author') kind=none ;;
        'silence/ack --allow') kind=none ;;
        'silence/ack --allow-count') kind=none ;;
        'silence/ack --zone') kind=none ;;
        'silence/ack --alertmanager-url') kind=none ;;
        'silence/ack --policy') kind=file ;;
        'silence/ack --timeout') kind=none ;;
        'silence/ack -o') words='text json' ;;
        'silence/ack --output') words='text json' ;;
        'silence/renew --alertmanager-url') kind=none ;;
        'silence/renew --policy') kind=file ;;
        'silence/renew --timeout') kind=none ;;
        'silence/renew -o') words='text json' ;;
        'silence/renew --output') words='text json' ;;
        'silence/export --state') kind=none ;;
        'silence/export -m') kind=none ;;
        'silence/export --matcher') kind=none ;;
        'silence/export --output-file') kind=none ;;
        'silence/export --alertmanager-url') kind=none ;;
        'silence/export --timeout') kind=none ;;
        'silence/import --allow') kind=none ;;
        'silence/import --allow-count') kind=none ;;
        'silence/import --alertmanager-url') kind=none ;;
        'silence/import --policy') kind=file ;;
        'silence/import --timeout') kind=none ;;
        'silence/import -o') words='text json' ;;
        'silence/import --output') words='text json' ;;
        'silence/schedule/next -n') kind=none ;;
        'silence/schedule/next --id') kind=none ;;
        'silence/schedule/next -o') words='text json' ;;
        'silence/schedule/next --output') words='text json' ;;
        'silence/schedule/plan --ahead') kind=none ;;
        'silence/schedule/plan --alertmanager-url') kind=none ;;
        'silence/schedule/plan --policy') kind=file ;;
        'silence/schedule/plan --timeout') kind=none ;;
        'silence/schedule/plan -o') words='text json' ;;
        'silence/schedule/plan --output') words='text json' ;;
        'silence/schedule/apply --ahead') kind=none ;;
        'silence/schedule/apply --alertmanager-url') kind=none ;;
        'silence/schedule/apply --policy') kind=file ;;
        'silence/schedule/apply --timeout') kind=none ;;
        'silence/schedule/apply -o') words='text json' ;;
        'silence/schedule/apply --output') words='text json' ;;
        'alerts/list --state') kind=none ;;
        'alerts/list --group-by') kind=none ;;
        'alerts/list -s') kind=service ;;
        'alerts/list --service') kind=service ;;
        'alerts/list --limit') kind=none ;;
        'alerts/list --zone') kind=none ;;
        'alerts/list --alertmanager-url') kind=none ;;
        'alerts/list --prometheus-url') kind=none ;;
        'alerts/list --timeout') kind=none ;;
        'alerts/list -o') words='text json' ;;
        'alerts/list --output') words='text json' ;;
        'alerts/explain --zone') kind=none ;;
        'alerts/explain --alertmanager-url') kind=none ;;
        'alerts/explain --timeout') kind=none ;;
        'alerts/explain -o') words='text json' ;;
        'alerts/explain --output') words='text json' ;;
        'alerts/history --since') kind=none ;;
        'alerts/history -s') kind=service ;;
        'alerts/history --service') kind=service ;;
        'alerts/history --limit') kind=none ;;
        'alerts/history --zone') kind=none ;;
        'alerts/history --prometheus-url') kind=none ;;
        'alerts/history --timeout') kind=none ;;
        'alerts/history -o') words='text json' ;;
        'alerts/history --output') words='text json' ;;
        'alerts/log -s') kind=service ;;
        'alerts/log --service') kind=service ;;
        'alerts/log --since') kind=none ;;
        'alerts/log --every') kind=none ;;
        'alerts/log --alertmanager-url') kind=none ;;
        'alerts/log --timeout') kind=none ;;
        'alerts/log -o') words='text json' ;;
        'alerts/log --output') words='text json' ;;
        'alerts/volume --day') kind=none ;;
        'alerts/volume -s') kind=service ;;
        'alerts/volume --service') kind=service ;;
        'alerts/volume --zone') kind=none ;;
        'alerts/volume --prometheus-url') kind=none ;;
        'alerts/volume --timeout') kind=none ;;
        'alerts/volume -o') words='text json' ;;
        'alerts/volume --output') words='text json' ;;
        'alerts/noise --since') kind=none ;;
        'alerts/noise -s') kind=service ;;
        'alerts/noise --service') kind=service ;;
        'alerts/noise --limit') kind=none ;;
        'alerts/noise --zone') kind=none ;;
        'alerts/noise --alertmanager-url') kind=none ;;
        'alerts/noise --prometheus-url') kind=none ;;
        'alerts/noise --timeout') kind=none ;;
        'alerts/noise -o') words='text json' ;;
        'alerts/noise --output') words='text json' ;;
        'alerts/digest --category') kind=none ;;
        'alerts/digest -s') kind=service ;;
        'alerts/digest --service') kind=service ;;
        'alerts/digest --zone') kind=none ;;
        'alerts/digest --alertmanager-url') kind=none ;;
        'alerts/digest --timeout') kind=none ;;
        'alerts/digest -o') words='text markdown json' ;;
        'alerts/digest --output') words='text markdown json' ;;
        'doctor -s') kind=service ;;
        'doctor --service') kind=service ;;
        'doctor --only') kind=none ;;
        'doctor --timeout') kind=none ;;
        'doctor --grants') words='postgres pgbouncer redis kubernetes alertmanager prometheus' ;;
        'doctor --role') kind=none ;;
        'doctor -o') words='text json' ;;
        'doctor --output') words='text json' ;;
        'lab/up --service') kind=service ;;
        'lab/up -s') kind=service ;;
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
        'lab/faults --service') kind=service ;;
        'lab/faults -s') kind=service ;;
        'lab/faults --runbook') kind=none ;;
        'lab/faults -r') kind=none ;;
        'lab/faults --dir') kind=folder ;;
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
        'runbook/test') kind=runbook ;;
        'service/show') kind=service ;;
        'service/lint') kind=service ;;
        'service/check') kind=service ;;
        'probe/show') words='alertmanager.alerts alertmanager.changes alertmanager.delivery http.health http.reach http.scrape kubernetes.access kubernetes.config kubernetes.endpoints kubernetes.events kubernetes.history kubernetes.logs kubernetes.nodes kubernetes.pods kubernetes.rollout kubernetes.scaling kubernetes.scrape kubernetes.usage kyrodb.health log.lines metrics.clock metrics.collector metrics.page pgbouncer.limits pgbouncer.pools pgbouncer.state pgbouncer.stats postgres.capacity postgres.counters postgres.idle-in-transaction postgres.limits postgres.locks postgres.reachable postgres.sessions postgres.settings postgres.slow-statements postgres.statements postgres.tables postgres.transactions postgres.vacuum postgres.waits prometheus.changes prometheus.coverage prometheus.delivery prometheus.ready prometheus.rules prometheus.samples prometheus.self prometheus.targets redis.churn redis.clients redis.connections redis.hits redis.keys redis.latency redis.memory redis.persistence redis.reachable redis.restarted redis.slowlog signal.changed signal.few signal.follows signal.lone signal.objectives signal.onset-after signal.part signal.rising signal.share signal.started signal.steady signal.threshold signal.usual symptom.shown' ;;
        'context/use') kind=context ;;
        'context/show') kind=context ;;
        'lab/break') words='kyrodb-slow embedding-slow llm-slow traffic-spike single-endpoint-slow bad-deploy cpu-saturation validation-errors authentication-errors kyrodb-errors llm-errors bad-deploy-errors vritti-stopped vritti-frozen vritti-starting kyrodb-stopped memory-pressure db-locks pool-exhausted slow-statement stale-statistics redis-slow cache-cold database-down pool-timeouts cache-fallback-failure partition-error unhandled-exception redis-down missing-index table-bloat chunk-scan redis-restarted cache-memory-full mass-invalidation key-pattern-change low-traffic amas-stopped amas-frozen amas-collector-stopped amas-metrics-disabled amas-clock-wrong amas-measuring-slow breaker-detour timeouts agent-deadline-short agent-leak agent-load agent-hot-loop agent-model-memory agent-workers agent-neighbour circuit-breaker-open agent-database-errors insa-page-broken insa-stopped rule-failing prometheus-down insa-unscraped insa-unwatched agent-store-slow rerank-slow rerank-unreachable rerank-pool-held rerank-deadline-short agro-validation-errors agro-bad-deploy agro-stopped agro-page-500 alertmanager-unreachable agro-receiver-failing threads-crash-loop threads-image-pull threads-unschedulable threads-probe-failing threads-rollout-stuck threads-rollout-paused threads-no-endpoints threads-missing-config threads-quota-full threads-scaled-to-zero threads-oom-killed threads-node-lost threads-hpa-at-max threads-scrape-only' ;;
        'lab/heal') words='kyrodb-slow embedding-slow llm-slow traffic-spike single-endpoint-slow bad-deploy cpu-saturation validation-errors authentication-errors kyrodb-errors llm-errors bad-deploy-errors vritti-stopped vritti-frozen vritti-starting kyrodb-stopped memory-pressure db-locks pool-exhausted slow-statement stale-statistics redis-slow cache-cold database-down pool-timeouts cache-fallback-failure partition-error unhandled-exception redis-down missing-index table-bloat chunk-scan redis-restarted cache-memory-full mass-invalidation key-pattern-change low-traffic amas-stopped amas-frozen amas-collector-stopped amas-metrics-disabled amas-clock-wrong amas-measuring-slow breaker-detour timeouts agent-deadline-short agent-leak agent-load agent-hot-loop agent-model-memory agent-workers agent-neighbour circuit-breaker-open agent-database-errors insa-page-broken insa-stopped rule-failing prometheus-down insa-unscraped insa-unwatched agent-store-slow rerank-slow rerank-unreachable rerank-pool-held rerank-deadline-short agro-validation-errors agro-bad-deploy agro-stopped agro-page-500 alertmanager-unreachable agro-receiver-failing threads-crash-loop threads-image-pull threads-unschedulable threads-probe-failing threads-rollout-stuck threads-rollout-paused threads-no-endpoints threads-missing-config threads-quota-full threads-scaled-to-zero threads-oom-killed threads-node-lost threads-hpa-at-max threads-scrape-only' ;;
    esac
}

complete -F _opsctl opsctl

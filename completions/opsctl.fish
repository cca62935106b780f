# fish completion for opsctl. Generated from the command tree by `make completions`; do not edit.
# It never starts Python: names of services, runbooks and contexts come from small files that opsctl keeps.

function __opsctl_children
    switch $argv[1]
        case ''
            echo 'diagnose runbook'
        case 'diagnose'
            echo 'high-error-rate high-latency *'
        case 'runbook'
            echo 'list show lint'
    end
end

function __opsctl_where
    set -l where ''
    set -l skip 0
    set -l line (commandline -opc)
    for word in $line[2..-1]
        if test $skip = 1
            set skip 0
            continue
        end
        if contains -- $word --alertmanager-url --at --cache-below --config --context --deploy-within --kubeconfig --kyrodb-slow --llm-failures --log-share --output --postgres-url --prometheus-url --redis-url --runbooks --service --share --since --spike --timeout -o -s
            set skip 1
            continue
        end
        string match -q -- '-*' $word; and continue
        set -l names (string split ' ' -- (__opsctl_children "$where"))
        set -l step ''
        if contains -- $word $names
            set step $word
        else if contains -- '*' $names
            set step '*'
        end
        if test -n "$step"
            if test -n "$where"
                set where "$where/$step"
            else
                set where $step
            end
        end
    end
    echo $where
end

function __opsctl_at
    test (__opsctl_where) = "$argv[1]"
end

function __opsctl_cached
    set -l cache $HOME/.cache
    set -q XDG_CACHE_HOME; and set cache $XDG_CACHE_HOME
    test -r $cache/opsctl/complete/$argv[1]; and command cat $cache/opsctl/complete/$argv[1]
end

complete -c opsctl -f
complete -c opsctl -n '__opsctl_at ""' -a 'diagnose' -d 'Look for the cause of an incident. Changes nothing'
complete -c opsctl -n '__opsctl_at ""' -a 'runbook' -d 'List, show and check runbooks'
complete -c opsctl -n '__opsctl_at ""' -l config -r -F -d 'The opsctl.yaml to use'
complete -c opsctl -n '__opsctl_at ""' -l context -x -a '(__opsctl_cached context)' -d 'The context to use'
complete -c opsctl -n '__opsctl_at ""' -l runbooks -r -F -d 'A folder of runbooks, searched first'
complete -c opsctl -n '__opsctl_at ""' -l version -d 'Show the version and exit'
complete -c opsctl -n '__opsctl_at ""' -s h -l help -d 'Show this help'
complete -c opsctl -n '__opsctl_at "diagnose"' -a 'high-error-rate' -d 'More requests fail than the objective allows'
complete -c opsctl -n '__opsctl_at "diagnose"' -a 'high-latency' -d 'Requests take longer than the objective allows'
complete -c opsctl -n '__opsctl_at "diagnose"' -a '(__opsctl_cached runbook)'
complete -c opsctl -n '__opsctl_at "diagnose"' -s h -l help -d 'Show this help'
complete -c opsctl -n '__opsctl_at "diagnose/high-error-rate"' -s s -l service -x -a '(__opsctl_cached service)' -d 'The service to look at; see `opsctl service list`'
complete -c opsctl -n '__opsctl_at "diagnose/high-error-rate"' -l share -x -d 'Part of all errors from which one kind of error counts as the cause. [default: 40%]'
complete -c opsctl -n '__opsctl_at "diagnose/high-error-rate"' -l log-share -x -d 'Part of the log\'s error lines from which one message counts as the cause. [default: 20%]'
complete -c opsctl -n '__opsctl_at "diagnose/high-error-rate"' -l deploy-within -x -d 'A restart or rollout counts as the cause if errors began this soon after it. [default: 10m]'
complete -c opsctl -n '__opsctl_at "diagnose/high-error-rate"' -l llm-failures -x -d 'Part of failed language model calls from which they count as failing. [default: 20%]'
complete -c opsctl -n '__opsctl_at "diagnose/high-error-rate"' -l at -x -d 'Look at a past time: RFC 3339, unix seconds, or `20m ago`'
complete -c opsctl -n '__opsctl_at "diagnose/high-error-rate"' -l since -x -d 'How far back to look for onset and changes'
complete -c opsctl -n '__opsctl_at "diagnose/high-error-rate"' -l timeout -x -d 'Total time; what is not seen by then is unknown'
complete -c opsctl -n '__opsctl_at "diagnose/high-error-rate"' -l direct -d 'Measure by direct scrape, even with a Prometheus'
complete -c opsctl -n '__opsctl_at "diagnose/high-error-rate"' -l save -l no-save -d 'Keep the report in the state folder'
complete -c opsctl -n '__opsctl_at "diagnose/high-error-rate"' -l prometheus-url -x -d 'Prometheus, instead of the environment\'s and the file\'s'
complete -c opsctl -n '__opsctl_at "diagnose/high-error-rate"' -l alertmanager-url -x -d 'Alertmanager, likewise'
complete -c opsctl -n '__opsctl_at "diagnose/high-error-rate"' -l postgres-url -x -d 'Postgres, likewise; keep the password in PGPASSFILE'
complete -c opsctl -n '__opsctl_at "diagnose/high-error-rate"' -l redis-url -x -d 'Redis, likewise'
complete -c opsctl -n '__opsctl_at "diagnose/high-error-rate"' -l kubeconfig -r -F -d 'The kubeconfig file, likewise'
complete -c opsctl -n '__opsctl_at "diagnose/high-error-rate"' -s o -l output -x -a 'text json' -d 'text for people, json for machines'
complete -c opsctl -n '__opsctl_at "diagnose/high-error-rate"' -s h -l help -d 'Show this help'
complete -c opsctl -n '__opsctl_at "diagnose/high-latency"' -s s -l service -x -a '(__opsctl_cached service)' -d 'The service to look at; see `opsctl service list`'
complete -c opsctl -n '__opsctl_at "diagnose/high-latency"' -l share -x -d 'Part of the request time from which a dependency counts as the cause. [default: 35%]'
complete -c opsctl -n '__opsctl_at "diagnose/high-latency"' -l spike -x -d 'Traffic counts as a spike above this many times the usual. [default: 2]'
complete -c opsctl -n '__opsctl_at "diagnose/high-latency"' -l deploy-within -x -d 'A restart or rollout counts as the cause if slowness began this soon after it. [default: 10m]'
complete -c opsctl -n '__opsctl_at "diagnose/high-latency"' -l kyrodb-slow -x -d 'KyroDB counts as slow above this time for a health call. [default: 50ms]'
complete -c opsctl -n '__opsctl_at "diagnose/high-latency"' -l cache-below -x -d 'A cache hit ratio below this counts as cold. [default: 60%]'
complete -c opsctl -n '__opsctl_at "diagnose/high-latency"' -l at -x -d 'Look at a past time: RFC 3339, unix seconds, or `20m ago`'
complete -c opsctl -n '__opsctl_at "diagnose/high-latency"' -l since -x -d 'How far back to look for onset and changes'
complete -c opsctl -n '__opsctl_at "diagnose/high-latency"' -l timeout -x -d 'Total time; what is not seen by then is unknown'
complete -c opsctl -n '__opsctl_at "diagnose/high-latency"' -l direct -d 'Measure by direct scrape, even with a Prometheus'
complete -c opsctl -n '__opsctl_at "diagnose/high-latency"' -l save -l no-save -d 'Keep the report in the state folder'
complete -c opsctl -n '__opsctl_at "diagnose/high-latency"' -l prometheus-url -x -d 'Prometheus, instead of the environment\'s and the file\'s'
complete -c opsctl -n '__opsctl_at "diagnose/high-latency"' -l alertmanager-url -x -d 'Alertmanager, likewise'
complete -c opsctl -n '__opsctl_at "diagnose/high-latency"' -l postgres-url -x -d 'Postgres, likewise; keep the password in PGPASSFILE'
complete -c opsctl -n '__opsctl_at "diagnose/high-latency"' -l redis-url -x -d 'Redis, likewise'
complete -c opsctl -n '__opsctl_at "diagnose/high-latency"' -l kubeconfig -r -F -d 'The kubeconfig file, likewise'
complete -c opsctl -n '__opsctl_at "diagnose/high-latency"' -s o -l output -x -a 'text json' -d 'text for people, json for machines'
complete -c opsctl -n '__opsctl_at "diagnose/high-latency"' -s h -l help -d 'Show this help'
complete -c opsctl -n '__opsctl_at "diagnose/*"' -s s -l service -x -a '(__opsctl_cached service)' -d 'The service to look at; see `opsctl service list`'
complete -c opsctl -n '__opsctl_at "diagnose/*"' -l at -x -d 'Look at a past time: RFC 3339, unix seconds, or `20m ago`'
complete -c opsctl -n '__opsctl_at "diagnose/*"' -l since -x -d 'How far back to look for onset and changes'
complete -c opsctl -n '__opsctl_at "diagnose/*"' -l timeout -x -d 'Total time; what is not seen by then is unknown'
complete -c opsctl -n '__opsctl_at "diagnose/*"' -l direct -d 'Measure by direct scrape, even with a Prometheus'
complete -c opsctl -n '__opsctl_at "diagnose/*"' -l save -l no-save -d 'Keep the report in the state folder'
complete -c opsctl -n '__opsctl_at "diagnose/*"' -l prometheus-url -x -d 'Prometheus, instead of the environment\'s and the file\'s'
complete -c opsctl -n '__opsctl_at "diagnose/*"' -l alertmanager-url -x -d 'Alertmanager, likewise'
complete -c opsctl -n '__opsctl_at "diagnose/*"' -l postgres-url -x -d 'Postgres, likewise; keep the password in PGPASSFILE'
complete -c opsctl -n '__opsctl_at "diagnose/*"' -l redis-url -x -d 'Redis, likewise'
complete -c opsctl -n '__opsctl_at "diagnose/*"' -l kubeconfig -r -F -d 'The kubeconfig file, likewise'
complete -c opsctl -n '__opsctl_at "diagnose/*"' -s o -l output -x -a 'text json' -d 'text for people, json for machines'
complete -c opsctl -n '__opsctl_at "diagnose/*"' -s h -l help -d 'Show this help'
complete -c opsctl -n '__opsctl_at "runbook"' -a 'list' -d 'All runbooks with their titles, the folder that wins for each name'
complete -c opsctl -n '__opsctl_at "runbook"' -a 'show' -d 'One runbook: meaning, impact, what it looks at, the causes it tells apart'
complete -c opsctl -n '__opsctl_at "runbook"' -a 'lint' -d 'Check runbooks: unknown ids and parameters, causes that nothing can confirm, broken PromQL, dangling links'
complete -c opsctl -n '__opsctl_at "runbook"' -s h -l help -d 'Show this help'
complete -c opsctl -n '__opsctl_at "runbook/list"' -s o -l output -x -a 'text json' -d 'text for people, json for machines'
complete -c opsctl -n '__opsctl_at "runbook/list"' -s h -l help -d 'Show this help'
complete -c opsctl -n '__opsctl_at "runbook/show"' -a '(__opsctl_cached runbook)'
complete -c opsctl -n '__opsctl_at "runbook/show"' -l markdown -d 'The wiki page'
complete -c opsctl -n '__opsctl_at "runbook/show"' -s o -l output -x -a 'text json' -d 'text for people, json for machines'
complete -c opsctl -n '__opsctl_at "runbook/show"' -s h -l help -d 'Show this help'
complete -c opsctl -n '__opsctl_at "runbook/lint"' -a '(__opsctl_cached runbook)'
complete -c opsctl -n '__opsctl_at "runbook/lint"' -s o -l output -x -a 'text json' -d 'text for people, json for machines'
complete -c opsctl -n '__opsctl_at "runbook/lint"' -s h -l help -d 'Show this help'

# fish completion for opsctl. Generated from the command tree by `make completions`; do not edit.
# It never starts Python: names of services, runbooks and contexts come from small files that opsctl keeps.

function __opsctl_children
    switch $argv[1]
        case ''
            echo 'diagnose runbook service context lab'
        case 'diagnose'
            echo 'high-error-rate high-latency *'
        case 'runbook'
            echo 'list show lint'
        case 'service'
            echo 'list show lint new'
        case 'context'
            echo 'list use show'
        case 'lab'
            echo 'up down status break heal distract faults stop start'
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
        if contains -- $word --alertmanager-url --at --cache-below --config --context --deploy-within --dir --kubeconfig --kyrodb-slow --llm-failures --log-share --metrics --output --postgres-url --prometheus-url --redis-url --runbooks --service --share --since --spike --timeout --title -o -s
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
complete -c opsctl -n '__opsctl_at ""' -a 'service' -d 'List, show, check and start service profiles'
complete -c opsctl -n '__opsctl_at ""' -a 'context' -d 'Choose where opsctl looks, and ask where each value came from'
complete -c opsctl -n '__opsctl_at ""' -a 'lab' -d 'A small simulated stack with faults to practise on'
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
complete -c opsctl -n '__opsctl_at "service"' -a 'list' -d 'All services: title, runbooks they define, endpoints. A file that cannot be read is listed with its mistake'
complete -c opsctl -n '__opsctl_at "service"' -a 'show' -d 'One service: every binding, and where each endpoint is and which setting says so'
complete -c opsctl -n '__opsctl_at "service"' -a 'lint' -d 'Check profiles: unknown names, contradicting bands, PromQL that does not parse; list what they assume'
complete -c opsctl -n '__opsctl_at "service"' -a 'new' -d 'Start a profile in ./runbooks/services (or below --runbooks): two signals, one objective. Overwrites nothing'
complete -c opsctl -n '__opsctl_at "service"' -s h -l help -d 'Show this help'
complete -c opsctl -n '__opsctl_at "service/list"' -s o -l output -x -a 'text json' -d 'text for people, json for machines'
complete -c opsctl -n '__opsctl_at "service/list"' -s h -l help -d 'Show this help'
complete -c opsctl -n '__opsctl_at "service/show"' -a '(__opsctl_cached service)'
complete -c opsctl -n '__opsctl_at "service/show"' -s o -l output -x -a 'text json' -d 'text for people, json for machines'
complete -c opsctl -n '__opsctl_at "service/show"' -s h -l help -d 'Show this help'
complete -c opsctl -n '__opsctl_at "service/lint"' -a '(__opsctl_cached service)'
complete -c opsctl -n '__opsctl_at "service/lint"' -s o -l output -x -a 'text json' -d 'text for people, json for machines'
complete -c opsctl -n '__opsctl_at "service/lint"' -s h -l help -d 'Show this help'
complete -c opsctl -n '__opsctl_at "service/new"' -l metrics -x -d 'Where the service shows its metrics'
complete -c opsctl -n '__opsctl_at "service/new"' -l title -x -d 'What people call it'
complete -c opsctl -n '__opsctl_at "service/new"' -s o -l output -x -a 'text json' -d 'text for people, json for machines'
complete -c opsctl -n '__opsctl_at "service/new"' -s h -l help -d 'Show this help'
complete -c opsctl -n '__opsctl_at "context"' -a 'list' -d 'All contexts of the configuration file in use; * marks the one in use'
complete -c opsctl -n '__opsctl_at "context"' -a 'use' -d 'Make a context the current one: edits the one line `current-context` and nothing else of the file'
complete -c opsctl -n '__opsctl_at "context"' -a 'show' -d 'The effective values of a context: flag over environment over file. Secrets are shown as references only'
complete -c opsctl -n '__opsctl_at "context"' -s h -l help -d 'Show this help'
complete -c opsctl -n '__opsctl_at "context/list"' -s o -l output -x -a 'text json' -d 'text for people, json for machines'
complete -c opsctl -n '__opsctl_at "context/list"' -s h -l help -d 'Show this help'
complete -c opsctl -n '__opsctl_at "context/use"' -a '(__opsctl_cached context)'
complete -c opsctl -n '__opsctl_at "context/use"' -s o -l output -x -a 'text json' -d 'text for people, json for machines'
complete -c opsctl -n '__opsctl_at "context/use"' -s h -l help -d 'Show this help'
complete -c opsctl -n '__opsctl_at "context/show"' -a '(__opsctl_cached context)'
complete -c opsctl -n '__opsctl_at "context/show"' -l sources -d 'Say where each value came from, and what it hides'
complete -c opsctl -n '__opsctl_at "context/show"' -s o -l output -x -a 'text json' -d 'text for people, json for machines'
complete -c opsctl -n '__opsctl_at "context/show"' -s h -l help -d 'Show this help'
complete -c opsctl -n '__opsctl_at "lab"' -a 'up' -d 'Start the lab in the background and wait until its numbers are warm (about 30 s)'
complete -c opsctl -n '__opsctl_at "lab"' -a 'down' -d 'End the lab and remove what it made; works after a crash, too'
complete -c opsctl -n '__opsctl_at "lab"' -a 'status' -d 'Show the parts (real, double, simulated, absent) and what is switched on'
complete -c opsctl -n '__opsctl_at "lab"' -a 'break' -d 'Switch on one fault or several, and wait until it shows in the numbers (about 30 s)'
complete -c opsctl -n '__opsctl_at "lab"' -a 'heal' -d 'Switch off one fault, several, or everything, and wait until the numbers are normal again (about 30 s)'
complete -c opsctl -n '__opsctl_at "lab"' -a 'distract' -d 'Switch on something loud but innocent; `opsctl lab heal` ends it'
complete -c opsctl -n '__opsctl_at "lab"' -a 'faults' -d 'List the faults: service, runbook, the cause they should be found as, what they do'
complete -c opsctl -n '__opsctl_at "lab"' -a 'stop' -d 'Stop one real server of the lab, to see how a diagnosis goes without it'
complete -c opsctl -n '__opsctl_at "lab"' -a 'start' -d 'Start a stopped server of the lab again'
complete -c opsctl -n '__opsctl_at "lab"' -s h -l help -d 'Show this help'
complete -c opsctl -n '__opsctl_at "lab/up"' -l dir -r -F -d 'The lab\'s folder; default: lab in the state folder'
complete -c opsctl -n '__opsctl_at "lab/up"' -s o -l output -x -a 'text json' -d 'text for people, json for machines'
complete -c opsctl -n '__opsctl_at "lab/up"' -s h -l help -d 'Show this help'
complete -c opsctl -n '__opsctl_at "lab/down"' -l dir -r -F -d 'The lab\'s folder; default: lab in the state folder'
complete -c opsctl -n '__opsctl_at "lab/down"' -s o -l output -x -a 'text json' -d 'text for people, json for machines'
complete -c opsctl -n '__opsctl_at "lab/down"' -s h -l help -d 'Show this help'
complete -c opsctl -n '__opsctl_at "lab/status"' -l dir -r -F -d 'The lab\'s folder; default: lab in the state folder'
complete -c opsctl -n '__opsctl_at "lab/status"' -s o -l output -x -a 'text json' -d 'text for people, json for machines'
complete -c opsctl -n '__opsctl_at "lab/status"' -s h -l help -d 'Show this help'
complete -c opsctl -n '__opsctl_at "lab/break"' -a 'kyrodb-slow embedding-slow llm-slow traffic-spike single-endpoint-slow bad-deploy cpu-saturation memory-pressure db-locks pool-exhausted slow-statement stale-statistics redis-slow breaker-detour cache-cold validation-errors authentication-errors kyrodb-errors llm-errors bad-deploy-errors timeouts circuit-breaker-open agent-database-errors database-down pool-timeouts cache-fallback-failure partition-error unhandled-exception redis-down'
complete -c opsctl -n '__opsctl_at "lab/break"' -l wait -l no-wait -d 'Whether to wait until the numbers show it'
complete -c opsctl -n '__opsctl_at "lab/break"' -l dir -r -F -d 'The lab\'s folder; default: lab in the state folder'
complete -c opsctl -n '__opsctl_at "lab/break"' -s o -l output -x -a 'text json' -d 'text for people, json for machines'
complete -c opsctl -n '__opsctl_at "lab/break"' -s h -l help -d 'Show this help'
complete -c opsctl -n '__opsctl_at "lab/heal"' -a 'kyrodb-slow embedding-slow llm-slow traffic-spike single-endpoint-slow bad-deploy cpu-saturation memory-pressure db-locks pool-exhausted slow-statement stale-statistics redis-slow breaker-detour cache-cold validation-errors authentication-errors kyrodb-errors llm-errors bad-deploy-errors timeouts circuit-breaker-open agent-database-errors database-down pool-timeouts cache-fallback-failure partition-error unhandled-exception redis-down'
complete -c opsctl -n '__opsctl_at "lab/heal"' -l wait -l no-wait -d 'Whether to wait until the numbers show it'
complete -c opsctl -n '__opsctl_at "lab/heal"' -l dir -r -F -d 'The lab\'s folder; default: lab in the state folder'
complete -c opsctl -n '__opsctl_at "lab/heal"' -s o -l output -x -a 'text json' -d 'text for people, json for machines'
complete -c opsctl -n '__opsctl_at "lab/heal"' -s h -l help -d 'Show this help'
complete -c opsctl -n '__opsctl_at "lab/distract"' -l dir -r -F -d 'The lab\'s folder; default: lab in the state folder'
complete -c opsctl -n '__opsctl_at "lab/distract"' -s o -l output -x -a 'text json' -d 'text for people, json for machines'
complete -c opsctl -n '__opsctl_at "lab/distract"' -s h -l help -d 'Show this help'
complete -c opsctl -n '__opsctl_at "lab/faults"' -s o -l output -x -a 'text json' -d 'text for people, json for machines'
complete -c opsctl -n '__opsctl_at "lab/faults"' -s h -l help -d 'Show this help'
complete -c opsctl -n '__opsctl_at "lab/stop"' -l dir -r -F -d 'The lab\'s folder; default: lab in the state folder'
complete -c opsctl -n '__opsctl_at "lab/stop"' -s o -l output -x -a 'text json' -d 'text for people, json for machines'
complete -c opsctl -n '__opsctl_at "lab/stop"' -s h -l help -d 'Show this help'
complete -c opsctl -n '__opsctl_at "lab/start"' -l dir -r -F -d 'The lab\'s folder; default: lab in the state folder'
complete -c opsctl -n '__opsctl_at "lab/start"' -s o -l output -x -a 'text json' -d 'text for people, json for machines'
complete -c opsctl -n '__opsctl_at "lab/start"' -s h -l help -d 'Show this help'

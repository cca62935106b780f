-- purpose: What the sessions of each application are held by: statements, waits for locks, forgotten transactions (R2)
-- minimum: 14
-- privilege: pg_read_all_stats, else other roles' sessions are missing
-- params: after (seconds from which a statement is long and an idle transaction forgotten), waited (seconds for a lock)
SELECT coalesce(application_name, '')::text AS application, usename::text AS role, datname::text AS database,
       count(*)::int AS sessions, count(DISTINCT coalesce(host(client_addr), 'local'))::int AS addresses,
       count(*) FILTER (WHERE state = 'active' AND coalesce(wait_event_type, '') <> 'Lock'
                              AND query_start < clock_timestamp() - make_interval(secs => %(after)s))::int AS statements,
       count(*) FILTER (WHERE wait_event_type = 'Lock'
                              AND query_start < clock_timestamp() - make_interval(secs => %(waited)s))::int AS waiting,
       count(*) FILTER (WHERE state LIKE 'idle in transaction%%'
                              AND state_change < clock_timestamp() - make_interval(secs => %(after)s))::int AS forgotten,
       count(*) FILTER (WHERE state = 'idle'
                              AND state_change < clock_timestamp() - make_interval(secs => %(after)s))::int AS unused
FROM pg_stat_activity
WHERE backend_type = 'client backend' AND coalesce(application_name, '') NOT LIKE 'opsctl%%'
GROUP BY 1, 2, 3
ORDER BY sessions DESC, application, role, database
LIMIT 100

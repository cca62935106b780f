-- purpose: Sessions idle in a transaction, worst first: by victims, then by how long they have been idle (PG-5)
-- minimum: 14
-- privilege: pg_read_all_stats, else only our own role's sessions
WITH blocked AS (
    SELECT pid, unnest(pg_blocking_pids(pid)) AS by_pid
    FROM pg_stat_activity
    WHERE wait_event_type = 'Lock'
)
SELECT a.pid, a.usename::text AS role, coalesce(a.application_name, '')::text AS application,
       a.datname::text AS database, coalesce(host(a.client_addr), 'local')::text AS address, a.state::text AS state,
       extract(epoch FROM clock_timestamp() - a.state_change)::float8 AS idle_seconds,
       extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS transaction_seconds,
       a.backend_xid IS NOT NULL AS wrote,
       (SELECT count(DISTINCT b.pid) FROM blocked b WHERE b.by_pid = a.pid)::int AS victims,
       count(*) OVER ()::int AS sessions,
       substring(textsend(a.query) FOR 400) AS query
FROM pg_stat_activity a
WHERE a.backend_type = 'client backend' AND a.state LIKE 'idle in transaction%%'
ORDER BY victims DESC, idle_seconds DESC
LIMIT 20

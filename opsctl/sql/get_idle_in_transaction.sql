-- purpose: Sessions idle in a transaction, longest first (PG-5)
-- minimum: 14
-- privilege: pg_read_all_stats, else only our own role's sessions
SELECT pid, usename::text AS role, coalesce(application_name, '')::text AS application,
       datname::text AS database, coalesce(host(client_addr), 'local')::text AS address, state::text AS state,
       extract(epoch FROM clock_timestamp() - state_change)::float8 AS idle_seconds,
       extract(epoch FROM clock_timestamp() - xact_start)::float8 AS transaction_seconds,
       backend_xid IS NOT NULL AS wrote,
       substring(textsend(query) FOR 400) AS query
FROM pg_stat_activity
WHERE backend_type = 'client backend' AND state LIKE 'idle in transaction%%'
ORDER BY idle_seconds DESC
LIMIT 500

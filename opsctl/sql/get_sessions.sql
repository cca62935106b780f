-- purpose: Who holds the connections, by client, role, database and application (PG-2)
-- minimum: 14
-- privilege: pg_read_all_stats, else other roles' sessions are missing
SELECT coalesce(host(client_addr), 'local')::text AS address, usename::text AS role, datname::text AS database,
       coalesce(application_name, '')::text AS application,
       count(*)::int AS sessions,
       count(*) FILTER (WHERE state = 'active')::int AS active,
       count(*) FILTER (WHERE state = 'idle')::int AS idle,
       count(*) FILTER (WHERE state LIKE 'idle in transaction%%')::int AS idle_in_transaction,
       avg(extract(epoch FROM clock_timestamp() - state_change)) FILTER (WHERE state = 'idle')::float8 AS idle_seconds,
       extract(epoch FROM clock_timestamp() - min(backend_start))::float8 AS oldest_seconds
FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
GROUP BY 1, 2, 3, 4
ORDER BY sessions DESC, address, role, database, application
LIMIT 30

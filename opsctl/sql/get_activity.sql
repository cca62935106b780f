-- purpose: One sample of the statements that clients run now, longest first (PG-3)
-- minimum: 14
-- privilege: pg_read_all_stats, else only our own role's sessions
SELECT pid, coalesce(query_id::text, '') AS queryid, coalesce(wait_event_type, '')::text AS wait,
       extract(epoch FROM clock_timestamp() - query_start)::float8 AS seconds,
       usename::text AS role, coalesce(application_name, '')::text AS application, datname::text AS database,
       substring(textsend(query) FOR 400) AS query
FROM pg_stat_activity
WHERE state = 'active' AND backend_type = 'client backend' AND pid <> pg_backend_pid()
  AND coalesce(application_name, '') NOT LIKE 'opsctl:%%'
ORDER BY query_start
LIMIT 200

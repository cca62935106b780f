-- purpose: What the sessions that block others are and do (PG-4)
-- minimum: 14
-- privilege: pg_read_all_stats, else only pid and role are seen
-- params: pids (of the sessions)
SELECT pid, usename::text AS role, coalesce(application_name, '')::text AS application, backend_type::text AS kind,
       state::text AS state,
       extract(epoch FROM clock_timestamp() - xact_start)::float8 AS transaction_seconds,
       extract(epoch FROM clock_timestamp() - state_change)::float8 AS state_seconds,
       substring(textsend(query) FOR 400) AS query
FROM pg_stat_activity
WHERE pid = ANY (%(pids)s)

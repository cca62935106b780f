-- purpose: Open transactions, oldest first, with what each one does and how far it holds back cleanup (PG-3)
-- minimum: 14
-- privilege: pg_read_all_stats, else only our own role's sessions
SELECT pid, usename::text AS role, coalesce(application_name, '')::text AS application, datname::text AS database,
       backend_type::text AS kind, state::text AS state,
       coalesce(wait_event_type || '/' || wait_event, '')::text AS wait,
       extract(epoch FROM clock_timestamp() - xact_start)::float8 AS transaction_seconds,
       extract(epoch FROM clock_timestamp() - state_change)::float8 AS state_seconds,
       extract(epoch FROM clock_timestamp() - query_start)::float8 AS query_seconds,
       age(backend_xmin)::int AS horizon_age, leader_pid IS NOT NULL AS helper,
       substring(textsend(query) FOR 400) AS query
FROM pg_stat_activity
WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid()
ORDER BY xact_start
LIMIT 50

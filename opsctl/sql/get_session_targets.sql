-- purpose: Every session that a role opened, with what tells whether it may be ended, and its identity (PG-13, PG-14)
-- minimum: 14
-- privilege: pg_read_all_stats, else other roles' sessions show no state
-- params: acting (the role that would act)
WITH acting AS (SELECT oid FROM pg_roles WHERE rolname = %(acting)s),
     advisory AS (SELECT DISTINCT pid FROM pg_locks WHERE locktype = 'advisory')
SELECT a.pid, a.pid = pg_backend_pid() AS own, coalesce(a.backend_type, '')::text AS kind, a.leader_pid IS NOT NULL AS helper,
       coalesce(a.state, '')::text AS state, coalesce(a.wait_event_type, '')::text AS wait,
       coalesce(a.usename, '')::text AS role, coalesce(r.rolsuper, false) AS superuser, coalesce(r.rolreplication, false) AS replication,
       coalesce(a.datname, '')::text AS database, coalesce(a.application_name, '')::text AS application,
       coalesce(host(a.client_addr), 'local')::text AS address, coalesce(a.client_port, -1)::int AS port,
       to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS backend_start,
       to_char(a.state_change AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS state_change,
       to_char(a.xact_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS xact_start,
       to_char(a.query_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS query_start,
       extract(epoch FROM clock_timestamp() - a.state_change)::float8 AS state_seconds,
       extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS xact_seconds,
       extract(epoch FROM clock_timestamp() - a.query_start)::float8 AS query_seconds,
       a.backend_xid IS NOT NULL AS wrote, v.pid IS NOT NULL AS advisory,
       coalesce(pg_has_role(acting.oid, a.usesysid, 'USAGE'), false) AS member,
       substring(textsend(a.query) FOR 400) AS query
FROM pg_stat_activity a
LEFT JOIN pg_roles r ON r.oid = a.usesysid
LEFT JOIN advisory v ON v.pid = a.pid
LEFT JOIN acting ON true
WHERE a.usesysid IS NOT NULL OR a.backend_type = 'autovacuum worker'
ORDER BY a.state_change NULLS FIRST, a.pid
LIMIT 20000

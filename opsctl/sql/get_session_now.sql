-- purpose: What one session is and does now, found again by its process and its start (PG-14)
-- minimum: 14
-- privilege: pg_read_all_stats, else only our own role's sessions show a state
-- params: pid (its process), backend_start (as it was seen)
SELECT a.pid, coalesce(a.state, '')::text AS state,
       to_char(a.query_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS query_start
FROM pg_stat_activity a
WHERE a.pid = %(pid)s AND a.backend_start = %(backend_start)s::timestamptz

-- purpose: Cancel one statement, if that very statement still runs (PG-14, by its start)
-- minimum: 14
-- privilege: pg_signal_backend, or the session's own role; a superuser for superusers' sessions
SELECT pg_cancel_backend(a.pid) AS sent
FROM pg_stat_activity a
WHERE a.pid = %(pid)s AND a.backend_start = %(backend_start)s::timestamptz AND a.state = 'active'
  AND a.query_start = %(query_start)s::timestamptz AND a.backend_type = 'client backend'

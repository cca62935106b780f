-- purpose: End one session, if it is still the one that was seen and has done nothing since (PG-14)
-- minimum: 14
-- privilege: pg_signal_backend, or the session's own role; a superuser for superusers' sessions
SELECT pg_terminate_backend(a.pid) AS sent
FROM pg_stat_activity a
WHERE a.pid = %(pid)s AND a.backend_start = %(backend_start)s::timestamptz AND a.state = %(state)s
  AND a.state_change = %(state_change)s::timestamptz AND a.backend_type = 'client backend'

-- purpose: End the session whose transaction blocks others, if it is still that transaction and somebody still waits (PG-4)
-- minimum: 14
-- privilege: pg_signal_backend, or the session's own role; a superuser for superusers' sessions
SELECT pg_terminate_backend(a.pid) AS sent
FROM pg_stat_activity a
WHERE a.pid = %(pid)s AND a.backend_start = %(backend_start)s::timestamptz
  AND a.xact_start = %(xact_start)s::timestamptz AND a.backend_type = 'client backend'
  AND EXISTS (SELECT 1 FROM pg_locks l WHERE NOT l.granted AND l.pid IS NOT NULL AND a.pid = ANY (pg_blocking_pids(l.pid)))

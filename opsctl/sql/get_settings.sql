-- purpose: The settings that decide how long a session may hold things, and those that wait for a restart (PG-11)
-- minimum: 14
-- privilege: pg_read_all_settings for a few restricted ones
SELECT name, setting, coalesce(unit, '') AS unit, source, pending_restart
FROM pg_settings
WHERE pending_restart
   OR name IN ('max_connections', 'superuser_reserved_connections', 'reserved_connections', 'idle_in_transaction_session_timeout',
               'idle_session_timeout', 'transaction_timeout', 'deadlock_timeout', 'log_lock_waits',
               'tcp_keepalives_idle', 'track_activity_query_size', 'shared_buffers', 'work_mem', 'autovacuum')
ORDER BY name

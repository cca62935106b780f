-- purpose: Who we are to this server, what we may see, and whether the session's own limits took hold (PG-0)
-- minimum: 10
-- privilege: none
SELECT current_setting('server_version_num')::int AS version,
       current_setting('server_version') AS version_text,
       pg_is_in_recovery() AS standby,
       current_user::text AS role,
       current_database()::text AS database,
       pg_backend_pid() AS pid,
       coalesce((SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user), false) AS superuser,
       pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS reads_all_stats,
       pg_has_role(current_user, 'pg_signal_backend', 'USAGE') AS may_signal,
       current_setting('default_transaction_read_only') AS read_only,
       current_setting('statement_timeout') AS statement_timeout,
       extract(epoch FROM pg_postmaster_start_time())::float8 AS started_at,
       extract(epoch FROM pg_conf_load_time())::float8 AS conf_loaded_at,
       extract(epoch FROM clock_timestamp())::float8 AS server_time

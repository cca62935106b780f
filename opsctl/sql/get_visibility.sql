-- purpose: What this role may see of others, how near it is to its limits, and what the server tracks at all (PG-0)
-- minimum: 14
-- privilege: none
SELECT pg_has_role(current_user, 'pg_monitor', 'USAGE') AS monitor,
       pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS reads_stats,
       pg_has_role(current_user, 'pg_read_all_settings', 'USAGE') AS reads_settings,
       (SELECT pg_has_role(current_user, oid, 'USAGE') FROM pg_roles WHERE rolname = 'pg_use_reserved_connections') AS uses_reserved,
       (SELECT count(*) FROM pg_stat_activity WHERE usesysid IS NOT NULL AND datid IS NOT NULL AND backend_type IS NULL)::int AS hidden,
       (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user)::int AS role_limit,
       (SELECT count(*) FROM pg_stat_activity WHERE usename = current_user)::int AS role_sessions,
       current_setting('track_activities') AS track_activities,
       current_setting('track_counts') AS track_counts,
       current_setting('track_io_timing') AS track_io_timing,
       current_setting('track_activity_query_size') AS query_size,
       (SELECT setting FROM pg_settings WHERE name = 'shared_preload_libraries') AS preloaded

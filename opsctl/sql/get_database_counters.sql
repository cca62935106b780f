-- purpose: This database's cumulative counters, to be compared between two moments (PG-9)
-- minimum: 14
-- privilege: none
SELECT xact_commit::float8 AS commits, xact_rollback::float8 AS rollbacks, deadlocks::float8 AS deadlocks,
       blks_hit::float8 AS blocks_hit, blks_read::float8 AS blocks_read,
       temp_bytes::float8 AS temp_bytes, temp_files::float8 AS temp_files,
       sessions_abandoned::float8 AS sessions_abandoned, sessions_fatal::float8 AS sessions_fatal,
       sessions_killed::float8 AS sessions_killed,
       extract(epoch FROM stats_reset)::float8 AS reset_at
FROM pg_stat_database
WHERE datname = current_database()

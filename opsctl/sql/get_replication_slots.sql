-- purpose: Replication slots and how much WAL each one keeps from being removed (PG-3)
-- minimum: 14
-- privilege: none
SELECT slot_name::text AS name, slot_type::text AS kind, active, coalesce(wal_status, '')::text AS wal_status,
       safe_wal_size::float8 AS safe_bytes,
       CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) END::float8 AS kept_bytes
FROM pg_replication_slots
ORDER BY kept_bytes DESC NULLS LAST
LIMIT 20

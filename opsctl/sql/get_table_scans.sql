-- purpose: How often each table was read, whole or by index, and how many rows that gave; partitions with their parent (PG-12)
-- minimum: 14
-- privilege: none
SELECT s.relid::text AS id, s.schemaname::text AS schema, s.relname::text AS name,
       coalesce((SELECT n.nspname || '.' || c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhparent
                 JOIN pg_namespace n ON n.oid = c.relnamespace WHERE i.inhrelid = s.relid
                 ORDER BY i.inhseqno LIMIT 1), '')::text AS parent,
       s.seq_scan::float8 AS whole, s.seq_tup_read::float8 AS rows_whole,
       coalesce(s.idx_scan, 0)::float8 AS by_index, coalesce(s.idx_tup_fetch, 0)::float8 AS rows_by_index,
       s.n_live_tup::float8 AS live
FROM pg_stat_user_tables s
ORDER BY s.seq_tup_read + coalesce(s.idx_tup_fetch, 0) DESC, s.seq_scan + coalesce(s.idx_scan, 0) DESC
LIMIT 3000

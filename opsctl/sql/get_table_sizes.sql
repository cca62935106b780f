-- purpose: The largest tables by the pages that the last vacuum or analyze counted, indexes apart; asks no file (PG-12)
-- minimum: 14
-- privilege: none
-- params: rows (how many)
SELECT n.nspname::text AS schema, c.relname::text AS name, greatest(c.reltuples, 0)::float8 AS rows,
       (c.relpages + coalesce(t.relpages, 0))::float8 * current_setting('block_size')::int AS bytes,
       coalesce((SELECT sum(i.relpages) FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid WHERE x.indrelid = c.oid), 0)::float8
         * current_setting('block_size')::int AS index_bytes
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND c.relpages > 0
ORDER BY 4 DESC, 1, 2
LIMIT %(rows)s

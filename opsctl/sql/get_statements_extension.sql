-- purpose: Where pg_stat_statements lives in this database, if it does (PG-7)
-- minimum: 14
-- privilege: pg_read_all_settings to see shared_preload_libraries
SELECT (SELECT n.nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
        WHERE e.extname = 'pg_stat_statements') AS schema,
       (SELECT setting LIKE '%%pg_stat_statements%%' FROM pg_settings WHERE name = 'shared_preload_libraries') AS preloaded

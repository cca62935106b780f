-- purpose: Tables of this database with many dead rows or old statistics (PG-10)
-- minimum: 14
-- privilege: none
-- params: rows (how many dead or modified rows make a table worth naming)
SELECT schemaname::text AS schema, relname::text AS name, n_live_tup::float8 AS live, n_dead_tup::float8 AS dead,
       n_mod_since_analyze::float8 AS modified,
       extract(epoch FROM clock_timestamp() - greatest(last_vacuum, last_autovacuum))::float8 AS vacuumed_seconds,
       extract(epoch FROM clock_timestamp() - greatest(last_analyze, last_autoanalyze))::float8 AS analyzed_seconds
FROM pg_stat_user_tables
WHERE n_dead_tup >= %(rows)s OR n_mod_since_analyze >= %(rows)s
ORDER BY greatest(n_dead_tup, n_mod_since_analyze) DESC
LIMIT 50

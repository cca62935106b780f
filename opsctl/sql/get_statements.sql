-- purpose: Cumulative time per statement, numbers only: reading the texts means reading a file that may be large (PG-7)
-- minimum: 14
-- privilege: pg_read_all_stats, else other roles' statements have no queryid
-- schema: the extension pg_stat_statements
SELECT queryid::text AS queryid, sum(calls)::float8 AS calls, sum(total_exec_time)::float8 / 1000 AS seconds,
       sum(rows)::float8 AS rows, sum(shared_blks_read)::float8 AS blocks_read,
       sum(temp_blks_written)::float8 AS temp_blocks_written,
       sum(sum(total_exec_time)) OVER ()::float8 / 1000 AS all_seconds,
       (SELECT extract(epoch FROM stats_reset)::float8 FROM {schema}.pg_stat_statements_info) AS reset_at
FROM {schema}.pg_stat_statements(false)
WHERE toplevel
GROUP BY queryid
ORDER BY seconds DESC
LIMIT 2000

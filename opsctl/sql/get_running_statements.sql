-- purpose: Statements still running, hence not in pg_stat_statements yet; those that wait for a lock do no work (PG-7)
-- minimum: 14
-- privilege: pg_read_all_stats, else only our own role's sessions
-- params: seconds (how far back the time is counted)
SELECT coalesce(query_id::text, '') AS queryid, count(*)::int AS running,
       sum(least(extract(epoch FROM clock_timestamp() - query_start), %(seconds)s))::float8 AS seconds,
       max(extract(epoch FROM clock_timestamp() - query_start))::float8 AS longest_seconds,
       min(usename)::text AS role, min(datname)::text AS database, (array_agg(substring(textsend(query) FOR 400)))[1] AS query
FROM pg_stat_activity
WHERE state = 'active' AND backend_type = 'client backend' AND pid <> pg_backend_pid()
  AND coalesce(wait_event_type, '') <> 'Lock'
  AND query_start < clock_timestamp() - make_interval(secs => %(seconds)s)
GROUP BY 1
ORDER BY seconds DESC
LIMIT 20

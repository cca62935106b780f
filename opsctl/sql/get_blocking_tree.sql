-- purpose: For each session that blocks others and waits for nobody: its victims and the depth of the queue (PG-4)
-- minimum: 14
-- privilege: pg_read_all_stats, else only the root's pid and role are seen
WITH RECURSIVE waiting AS (
    SELECT DISTINCT pid FROM pg_locks WHERE NOT granted AND pid IS NOT NULL
), edges AS (
    SELECT DISTINCT pid, unnest(pg_blocking_pids(pid)) AS by_pid FROM waiting
), tree AS (
    SELECT by_pid AS root, pid, 1 AS depth, ARRAY[by_pid, pid] AS path
    FROM edges WHERE by_pid NOT IN (SELECT pid FROM waiting)
    UNION ALL
    SELECT t.root, e.pid, t.depth + 1, t.path || e.pid
    FROM tree t JOIN edges e ON e.by_pid = t.pid
    WHERE e.pid <> ALL (t.path) AND t.depth < 20
), roots AS (
    SELECT root, count(DISTINCT pid)::int AS victims, max(depth)::int AS depth FROM tree GROUP BY root
)
SELECT r.root AS pid, r.victims, r.depth, a.usename::text AS role, coalesce(a.application_name, '')::text AS application,
       a.backend_type::text AS kind, a.state::text AS state,
       extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS transaction_seconds,
       extract(epoch FROM clock_timestamp() - a.state_change)::float8 AS state_seconds,
       substring(textsend(a.query) FOR 400) AS query
FROM roots r LEFT JOIN pg_stat_activity a ON a.pid = r.root AND r.root <> 0
ORDER BY r.victims DESC, r.root
LIMIT 20

-- purpose: Vacuums that are running now, and their phase (PG-10)
-- minimum: 14
-- privilege: pg_read_all_stats, else other roles' phases are hidden
SELECT p.pid, p.datname::text AS database, p.relid::regclass::text AS name, p.phase::text AS phase,
       p.heap_blks_scanned::float8 / nullif(p.heap_blks_total, 0) AS scanned_ratio,
       substring(textsend(a.query) FOR 400) AS query
FROM pg_stat_progress_vacuum p LEFT JOIN pg_stat_activity a USING (pid)
LIMIT 20

-- purpose: One sample of what active sessions wait for; no wait while active counts as CPU (PG-6)
-- minimum: 14
-- privilege: pg_read_all_stats, else only our own role's sessions
SELECT coalesce(wait_event_type, 'CPU')::text AS kind, coalesce(wait_event, '-')::text AS event, count(*)::int AS sessions
FROM pg_stat_activity
WHERE state = 'active' AND backend_type IN ('client backend', 'parallel worker') AND pid <> pg_backend_pid()
GROUP BY 1, 2
ORDER BY sessions DESC

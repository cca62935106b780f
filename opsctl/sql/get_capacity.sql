-- purpose: Connection slots and the sessions that hold them; only client backends use max_connections (PG-1)
-- minimum: 14
-- privilege: pg_read_all_stats, else sessions of other roles are counted as hidden
WITH slots AS (
    SELECT current_setting('max_connections')::int AS max_connections,
           current_setting('superuser_reserved_connections')::int AS superuser_reserved,
           coalesce(nullif(current_setting('reserved_connections', true), ''), '0')::int AS reserved
), sessions AS (
    SELECT count(*) FILTER (WHERE client) AS used,
           count(*) FILTER (WHERE client AND state = 'active' AND pid <> pg_backend_pid()) AS active,
           count(*) FILTER (WHERE client AND state = 'active' AND pid <> pg_backend_pid()
                                  AND coalesce(wait_event_type, '') NOT IN ('Lock', 'Client')) AS working,
           count(*) FILTER (WHERE client AND state = 'idle') AS idle,
           count(*) FILTER (WHERE client AND state LIKE 'idle in transaction%%') AS idle_in_transaction,
           count(*) FILTER (WHERE hidden) AS hidden
    FROM (SELECT pid, state, wait_event_type, backend_type = 'client backend' AS client,
                 backend_type IS NULL AND usesysid IS NOT NULL AND datid IS NOT NULL AS hidden
          FROM pg_stat_activity) a
)
SELECT *, max_connections - superuser_reserved - reserved AS slots FROM slots, sessions

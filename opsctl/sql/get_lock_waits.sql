-- purpose: How many sessions wait for a lock, and since when; asked before the dearer question who blocks them (PG-4)
-- minimum: 14
-- privilege: none
SELECT count(DISTINCT pid)::int AS waiting,
       coalesce(extract(epoch FROM clock_timestamp() - min(waitstart)), 0)::float8 AS longest_seconds
FROM pg_locks
WHERE NOT granted AND pid IS NOT NULL

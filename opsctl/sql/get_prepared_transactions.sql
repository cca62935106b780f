-- purpose: Prepared transactions (two-phase commit); an orphan survives restarts and cannot be terminated (PG-3)
-- minimum: 14
-- privilege: none
SELECT gid::text AS gid, owner::text AS role, database::text AS database,
       extract(epoch FROM clock_timestamp() - prepared)::float8 AS prepared_seconds
FROM pg_prepared_xacts
ORDER BY prepared
LIMIT 20

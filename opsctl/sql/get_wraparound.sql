-- purpose: How far each database is from transaction id wraparound (PG-10)
-- minimum: 14
-- privilege: none
SELECT datname::text AS database, age(datfrozenxid)::float8 AS age, mxid_age(datminmxid)::float8 AS multixact_age,
       current_setting('autovacuum_freeze_max_age')::float8 AS freeze_max_age
FROM pg_database
ORDER BY age DESC
LIMIT 10

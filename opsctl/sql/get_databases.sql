-- purpose: The databases of this server, the one we are in first (PG-12)
-- minimum: 14
-- privilege: none
SELECT datname::text AS name, datname = current_database() AS here, datconnlimit::int AS connection_limit
FROM pg_database
WHERE datallowconn
ORDER BY here DESC, name
LIMIT 200

-- purpose: Connection limits of databases and roles, and how many sessions count against each (PG-8)
-- minimum: 14
-- privilege: none
SELECT 'database' AS kind, d.datname::text AS name, d.datconnlimit::int AS limit,
       (SELECT count(*) FROM pg_stat_activity a WHERE a.datid = d.oid AND coalesce(a.backend_type, 'client backend') = 'client backend')::int AS sessions
FROM pg_database d WHERE d.datconnlimit >= 0 AND d.datallowconn
UNION ALL
SELECT 'role', r.rolname::text, r.rolconnlimit::int,
       (SELECT count(*) FROM pg_stat_activity a WHERE a.usesysid = r.oid AND coalesce(a.backend_type, 'client backend') = 'client backend')::int
FROM pg_roles r WHERE r.rolconnlimit >= 0 AND r.rolcanlogin
ORDER BY 4 DESC
LIMIT 50

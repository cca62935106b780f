-- purpose: The texts of a few statements, once the numbers have named them (PG-7)
-- minimum: 14
-- privilege: pg_read_all_stats, else other roles' texts are hidden
-- params: queryids (texts of at most five ids)
-- schema: the extension pg_stat_statements
SELECT queryid::text AS queryid, min(left(query, 400))::text AS query, min(r.rolname)::text AS role, min(d.datname)::text AS database
FROM {schema}.pg_stat_statements(true) s LEFT JOIN pg_roles r ON r.oid = s.userid LEFT JOIN pg_database d ON d.oid = s.dbid
WHERE queryid::text = ANY (%(queryids)s)
GROUP BY queryid

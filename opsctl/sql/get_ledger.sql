-- purpose: Whether a team's ledger is or could be kept in this database, by this role (B-20)
-- minimum: 14
-- privilege: none
SELECT pg_is_in_recovery() AS standby,
       current_setting('server_encoding') AS encoding,
       has_database_privilege(current_user, current_database(), 'CREATE') AS may_make,
       (SELECT has_schema_privilege(current_user, n.oid, 'USAGE') FROM pg_namespace n WHERE n.nspname = 'opsctl') AS may_use,
       (SELECT has_schema_privilege(current_user, n.oid, 'CREATE') FROM pg_namespace n WHERE n.nspname = 'opsctl') AS may_add,
       count(t.oid)::int AS tables,
       count(t.oid) FILTER (WHERE t.relname = 'versions' AND has_table_privilege(current_user, t.oid, 'SELECT'))::int AS versions,
       count(t.oid) FILTER (WHERE has_table_privilege(current_user, t.oid, 'SELECT')
         AND (t.relname = 'versions' OR has_table_privilege(current_user, t.oid, 'INSERT'))
         AND (t.relname NOT IN ('runs', 'leases') OR has_table_privilege(current_user, t.oid, 'UPDATE'))
         AND (t.relname <> 'leases' OR has_table_privilege(current_user, t.oid, 'DELETE')))::int AS writable
FROM pg_class t
WHERE t.relnamespace = (SELECT n.oid FROM pg_namespace n WHERE n.nspname = 'opsctl')
  AND t.relname IN ('versions', 'entries', 'runs', 'leases')

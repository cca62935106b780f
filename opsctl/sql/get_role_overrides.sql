-- purpose: What one role's new sessions in one database start with: its own settings there, and who the role is (PG-11)
-- minimum: 14
-- privilege: none
-- params: role (whose), database (where), acting (the role that would act)
SELECT r.rolsuper AS superuser, r.rolreplication AS replication, r.oid::text AS role_oid, d.oid::text AS database_oid,
       coalesce((SELECT s.setconfig FROM pg_db_role_setting s WHERE s.setrole = r.oid AND s.setdatabase = d.oid), ARRAY[]::text[]) AS settings,
       coalesce((SELECT pg_has_role(o.oid, r.oid, 'USAGE WITH ADMIN OPTION') FROM pg_roles o WHERE o.rolname = %(acting)s), false) AS member,
       coalesce((SELECT o.oid = r.oid FROM pg_roles o WHERE o.rolname = %(acting)s), false) AS itself
FROM pg_roles r, pg_database d
WHERE r.rolname = %(role)s AND d.datname = %(database)s

-- purpose: What the role that acts may do on this server (PG-0)
-- minimum: 14
-- privilege: none
-- params: acting (the role that would act)
SELECT r.rolsuper AS superuser, r.rolcreaterole AS creates_roles, pg_has_role(r.oid, 'pg_signal_backend', 'USAGE') AS may_signal
FROM pg_roles r
WHERE r.rolname = %(acting)s

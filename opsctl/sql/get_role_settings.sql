-- purpose: Settings that a role or a database overrides for its own sessions (PG-11)
-- minimum: 14
-- privilege: none
SELECT coalesce(r.rolname, '')::text AS role, coalesce(d.datname, '')::text AS database, entry AS setting
FROM pg_db_role_setting s
CROSS JOIN LATERAL unnest(s.setconfig) AS entry
LEFT JOIN pg_roles r ON r.oid = s.setrole
LEFT JOIN pg_database d ON d.oid = s.setdatabase
WHERE split_part(entry, '=', 1) IN ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'idle_session_timeout',
                                      'transaction_timeout', 'default_transaction_read_only', 'work_mem')
ORDER BY 1, 2, 3
LIMIT 50

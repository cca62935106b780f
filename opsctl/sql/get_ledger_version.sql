-- purpose: Which version of its schema a team's ledger has (B-20)
-- minimum: 14
-- privilege: none
-- schema: the ledger's tables
SELECT coalesce(max(v.version), 0)::int AS version
FROM {schema}.versions v

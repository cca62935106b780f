-- purpose: How large one database is; goes through its files, which takes seconds where there are many (PG-12)
-- minimum: 14
-- privilege: CONNECT on that database, or pg_read_all_stats
-- params: database (its name)
SELECT pg_database_size(%(database)s::name)::float8 AS bytes

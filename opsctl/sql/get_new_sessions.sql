-- purpose: Sessions that an application has opened since a moment: do they replace those that were ended (PG-13)
-- minimum: 14
-- privilege: none
-- params: application (its name), role (who), database (where), since (unix seconds by the server's clock)
SELECT count(*)::int AS opened
FROM pg_stat_activity
WHERE coalesce(application_name, '') = %(application)s AND usename = %(role)s AND datname = %(database)s
  AND backend_start > timestamptz 'epoch' + make_interval(secs => %(since)s)

-- purpose: For the sessions that have waited longest: behind which sessions each one waits (PG-4)
-- minimum: 14
-- privilege: none
-- params: limit (how many waiting sessions to look at: each look takes the lock manager's partitions briefly)
SELECT pid, pg_blocking_pids(pid) AS blocked_by
FROM (SELECT pid, min(waitstart) AS since FROM pg_locks WHERE NOT granted AND pid IS NOT NULL
      GROUP BY pid ORDER BY since NULLS LAST LIMIT %(limit)s) waiting

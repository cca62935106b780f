-- purpose: Take away a setting of one role in one database (undo of a timeout that was not set before)
-- minimum: 14
-- privilege: the role itself, CREATEROLE (16: with ADMIN on the role), or a superuser
ALTER ROLE {role} IN DATABASE {database} RESET {setting}

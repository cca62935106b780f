-- purpose: Set a timeout for the new sessions of one role in one database (R2)
-- minimum: 14
-- privilege: the role itself, CREATEROLE (16: with ADMIN on the role), or a superuser
ALTER ROLE {role} IN DATABASE {database} SET {setting} = {value}

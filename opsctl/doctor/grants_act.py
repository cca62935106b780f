"""The setup of a role that acts, per system: what the actions send, and nothing more."""

from __future__ import annotations

from opsctl.doctor import rbac
from opsctl.doctor.acts import PGBOUNCER, POSTGRES, POSTGRES_MORE, REDIS
from opsctl.doctor.remedies import identifier


def setup(system: str, role: str) -> str:
    """The text for ``postgres-act`` and its like; ``role`` names the new role, user or service account."""
    made = {"postgres-act": _postgres, "pgbouncer-act": _pgbouncer, "redis-act": _redis, "kubernetes-act": _kubernetes}
    return made[system](role)


def _postgres(role: str) -> str:
    name = identifier(role)
    more = ", ".join(f"{action} needs {right}" for action, right in POSTGRES_MORE.items())
    return "\n".join(
        [
            "-- A role by which opsctl may cancel statements and end sessions of others, and nothing else; it owns",
            "-- and reads no table. Once per server, in psql as a superuser. The endpoint postgres-act is its address,",
            "-- with the server and database of the endpoint postgres.",
            f"CREATE ROLE {name} LOGIN CONNECTION LIMIT 3;",
            f"ALTER ROLE {name} SET statement_timeout = '10s';",
            *(line for wanted, why in POSTGRES.items() for line in ("", f"-- {why}", f"GRANT {wanted} TO {name};")),
            "",
            "-- Postgres 16 and newer: it gets in when applications hold all slots (and set reserved_connections = 2).",
            "DO $$ BEGIN",
            "  IF current_setting('server_version_num')::int >= 160000 THEN",
            f"    GRANT pg_use_reserved_connections TO {name};",
            "  END IF;",
            "END $$;",
            "",
            f"-- Left out on purpose: {more}, by which",
            "-- up to Postgres 15 every role that is no superuser can be altered. Only where it is wanted:",
            f"--   ALTER ROLE {name} CREATEROLE;",
            "-- From 16 on it also needs ADMIN OPTION on each role (APP) whose timeout it may set, and can then give",
            "-- itself that role's rights:",
            f"--   GRANT APP TO {name} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE;",
            "",
            "-- Last, its password; it is asked for, and stays out of history and logs.",
            f"\\password {name}",
            "",
        ]
    )


def _pgbouncer(role: str) -> str:
    return (
        f"; In pgbouncer.ini: may control the pooler. opsctl sends {', '.join(PGBOUNCER)} and\n"
        "; nothing else, but PgBouncer knows no finer right: this user may also PAUSE, KILL and SHUTDOWN. Keep its\n"
        "; password where only those on call can read it. Several names are joined with commas.\n"
        "[pgbouncer]\n"
        f"admin_users = {role}\n"
        "\n"
        "; In the file that auth_file names (or by auth_query): the user with its SCRAM secret, as\n"
        "; the column rolpassword of pg_authid shows it on Postgres:\n"
        f';   "{role}" "SCRAM-SHA-256$..."\n'
        "; Then, on the console as an admin user: RELOAD;  Its address is the endpoint pgbouncer-act.\n"
    )


def _redis(role: str) -> str:
    rules = " ".join(right.rule for right in REDIS.values())
    return "\n".join(
        [
            "# A user by which opsctl may remove the keys of caches, and nothing else. In redis-cli, as a user with",
            "# +acl. Put a cache's prefix, as the service's profile has it, in place of PREFIX; one ~PREFIX* for each.",
            f"ACL SETUSER {role} reset on ~PREFIX* {rules}",
            f"# It has no password yet and so cannot log in. ACL GENPASS makes one; then: ACL SETUSER {role} >PASSWORD",
            "# To keep it over a restart: ACL SAVE when an aclfile is set, else CONFIG REWRITE.",
            "# Its address is the endpoint redis-act.",
            "#",
            "# What each is for:",
            *(f"#   {right.rule:<16} {right.lost}" for right in REDIS.values()),
            "",
        ]
    )


def _kubernetes(role: str) -> str:
    body = rbac.manifest(f"system:serviceaccount:opsctl:{role}", ["NAMESPACE"], account="opsctl", acting=True)
    return "\n".join(
        [
            "# A service account by which opsctl may restart, scale, roll back and evict, and nothing else; it deletes",
            "# nothing and has no right outside its namespaces: kubectl apply -f THIS-FILE",
            "# Put your service's namespace in place of NAMESPACE; repeat Role and RoleBinding for more of them.",
            "# Its kubeconfig is the endpoint kubernetes-act. The patch of a workload can change all of it, image and",
            "# command too: RBAC knows no finer right. Keep the token where only those on call can read it.",
            "apiVersion: v1",
            "kind: Namespace",
            "metadata: {name: opsctl}",
            "---",
            body,
        ]
    )

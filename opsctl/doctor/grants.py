"""The whole least-privilege setup of a new monitoring role, per system, made from what the read side really asks."""

from __future__ import annotations

import textwrap

from opsctl import sql
from opsctl.doctor import grants_act, rbac
from opsctl.doctor.acts import default_role, is_acting
from opsctl.doctor.redis import KEYS, RIGHTS
from opsctl.doctor.remedies import identifier

# What the Postgres files' headers ask for by name, and the narrowest role that gives it.
ROLES = ("pg_read_all_stats", "pg_read_all_settings")
HTTP_PATHS = {  # every path that the read side asks
    "prometheus": (
        *("/-/ready", "/metrics", "/api/v1/query", "/api/v1/query_range", "/api/v1/rules", "/api/v1/alerts"),
        *("/api/v1/targets", "/api/v1/series", "/api/v1/labels", "/api/v1/label/", "/api/v1/metadata"),
        *("/api/v1/status/runtimeinfo", "/api/v1/status/buildinfo", "/api/v1/status/walreplay"),
        "/api/v1/alertmanagers",
    ),
    "alertmanager": ("/-/ready", "/metrics", "/api/v2/alerts", "/api/v2/status", "/api/v2/silences"),
}
_PORTS = {"prometheus": 9090, "alertmanager": 9093}


def setup(system: str, role: str = "") -> str:
    """The text for that system (``postgres-act``: of a role that acts); ``role`` names the new role, user or service
    account, else ``default_role`` does."""
    role = role or default_role(system)
    if is_acting(system):
        return grants_act.setup(system, role)
    made = {"postgres": _postgres, "pgbouncer": _pgbouncer, "redis": _redis, "kubernetes": _kubernetes}
    return made[system](role) if system in made else _http(system, role)


def _postgres(role: str) -> str:
    name = identifier(role)
    asked: dict[str, list[str]] = {wanted: [] for wanted in ROLES}
    for query in map(sql.load, sql.names()):
        for wanted in ROLES:
            if wanted in query.privilege:
                asked[wanted].append(query.name.removeprefix("get_"))
    lines = [
        "-- A role for opsctl that may look and nothing else. Once per server, in psql as a superuser.",
        f"CREATE ROLE {name} LOGIN CONNECTION LIMIT 5;",
        f"ALTER ROLE {name} SET default_transaction_read_only = on;",
        f"ALTER ROLE {name} SET statement_timeout = '5s';",
        *(line for wanted in ROLES for line in (*_comment(asked[wanted]), f"GRANT {wanted} TO {name};")),
        "",
        "-- Postgres 16 and newer: it gets in when applications hold all slots (and set reserved_connections = 2).",
        "DO $$ BEGIN",
        "  IF current_setting('server_version_num')::int >= 160000 THEN",
        f"    GRANT pg_use_reserved_connections TO {name};",
        "  END IF;",
        "END $$;",
        "",
        "-- In each database that is looked at: which statements take the time. The server must have been started with",
        "-- shared_preload_libraries = 'pg_stat_statements'.",
        "CREATE EXTENSION IF NOT EXISTS pg_stat_statements;",
        "",
        "-- Last, its password; it is asked for, and stays out of history and logs.",
        f"\\password {name}",
    ]
    return "\n".join(lines) + "\n"


def _comment(names: list[str]) -> list[str]:
    text = "for " + ", ".join(name.replace("_", " ") for name in names)
    return ["", *textwrap.wrap(text, 100, initial_indent="-- ", subsequent_indent="--   ")]


def _pgbouncer(role: str) -> str:
    return (
        "; In pgbouncer.ini: may SHOW on the console, and nothing else. Several names are joined with commas.\n"
        "[pgbouncer]\n"
        f"stats_users = {role}\n"
        "\n"
        "; In the file that auth_file names (or by auth_query): the user with its SCRAM secret, as\n"
        "; the column rolpassword of pg_authid shows it on Postgres:\n"
        f';   "{role}" "SCRAM-SHA-256$..."\n'
        "; Then, on the console as an admin user: RELOAD;\n"
    )


def _redis(role: str) -> str:
    rules = " ".join(right.rule for right in RIGHTS.values() if right.rule)
    told = [f"#   {right.rule:<16} {right.lost}" for right in RIGHTS.values() if right.rule]
    return "\n".join(
        [
            "# A user for opsctl that may look and nothing else. In redis-cli, as a user with +acl (Redis 7).",
            f"ACL SETUSER {role} reset on {KEYS} {rules}",
            f"# It has no password yet and so cannot log in. ACL GENPASS makes one; then: ACL SETUSER {role} >PASSWORD",
            "# Before Redis 7 write ~* in place of %R~*.",
            "# To keep it over a restart: ACL SAVE when an aclfile is set, else CONFIG REWRITE.",
            "#",
            "# What each is for:",
            *told,
            f"#   {KEYS:<16} how long keys live (their values are never read)",
            "",
        ]
    )


def _kubernetes(role: str) -> str:
    subject = f"system:serviceaccount:opsctl:{role}"
    body = rbac.manifest(subject, ["NAMESPACE"], account="opsctl")
    return (
        "\n".join(
            [
                "# A service account for opsctl that may get and list, and nothing else: kubectl apply -f THIS-FILE",
                "# Put your service's namespace in place of NAMESPACE; repeat Role and RoleBinding for more of them.",
                "# Left out on purpose: Secrets. RBAC cannot tell their metadata, which is all that is asked, from",
                "# their values; without the right a missing Secret is seen by the events of its pods only.",
                "apiVersion: v1",
                "kind: Namespace",
                "metadata: {name: opsctl}",
                "---",
                body,
            ]
        ).rstrip()
        + "\n"
    )


def _http(system: str, role: str) -> str:
    """Neither has users of its own: a proxy in front lets the reading paths through, for this user only."""
    paths = "|".join(path.rstrip("/") + ("/.*" if path.endswith("/") else "") for path in HTTP_PATHS[system])
    posts = " POST" if system == "prometheus" else ""
    why = "# Queries may be POSTed: a URL can be too short for them.\n" if posts else ""
    return (
        f"# {system.capitalize()} has no users with rights of their own: who reaches it may do everything. This nginx\n"
        "# lets one user read, and nothing else through.\n"
        f"{why}"
        "server {\n"
        "  listen 8443 ssl;\n"
        f"  ssl_certificate     /etc/nginx/{system}.pem;\n"
        f"  ssl_certificate_key /etc/nginx/{system}.key;\n"
        f"  auth_basic           {system};\n"
        f"  auth_basic_user_file /etc/nginx/{system}.users;   # htpasswd -B -c THIS-FILE {role}\n"
        f"  location ~ ^({paths})$ {{\n"
        f"    limit_except GET{posts} {{ deny all; }}\n"
        f"    proxy_pass http://127.0.0.1:{_PORTS[system]};\n"
        "  }\n"
        "  location / { return 403; }\n"
        "}\n"
    )

"""``opsctl db`` as text: one screen each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opsctl.durations import format_quantity
from opsctl.redact import printable

_QUERY = 60


def ping(data: dict[str, Any]) -> str:
    """One line, and what is worth knowing below."""
    took = _seconds(data["connect_seconds"])
    lines = [f"{data['address']} answers: connected in {took}, a question took {_seconds(data['question_seconds'])}"]
    role = f"{data['role']}{' (superuser)' if data['superuser'] else ''}"
    sees = "sees all sessions" if data["sees_all"] else "does not see other roles' sessions"
    standby = "standby: it takes no writes" if data["standby"] else "takes writes"
    lines.append(f"Postgres {data['version']}, up {_seconds(data['up_seconds'])}, {standby}; TLS {data['tls']}")
    lines.append(f"as {role}, which {sees}{_through(data)}")
    return "\n".join(lines)


def activity(data: dict[str, Any]) -> str:
    """A table."""
    states = ", ".join(f"{count} {state}" for state, count in sorted(data["states"].items(), key=lambda s: -s[1]))
    lines = [f"{data['address']}: {states or 'no other session'}{_through(data)}"]
    if data["sessions"]:
        head = ("pid", "application", "role", "state", "for", "transaction", "wait", "statement")
        lines += ["", *_table(head, [_row(one) for one in data["sessions"]])]
    if data["left_out"]:
        lines.append(f"and {data['left_out']} more; --limit shows them")
    return "\n".join(lines)


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    age = "" if one["transaction_seconds"] is None else _seconds(one["transaction_seconds"])
    who = (str(one["pid"]), _cut(one["application"], 20), _cut(one["role"], 16))
    return (*who, one["state"] or one["kind"], _seconds(one["seconds"]), age, one["wait"], _cut(one["query"], _QUERY))


def locks(data: dict[str, Any]) -> str:
    """The tree, roots first."""
    if not data["waiting"]:
        return f"{data['address']}: no session waits for a lock{_through(data)}"
    people = "1 session waits" if data["waiting"] == 1 else f"{data['waiting']} sessions wait"
    longest = "" if data["longest_seconds"] is None else f", the longest for {_seconds(data['longest_seconds'])}"
    lines = [f"{data['address']}: {people} for a lock{longest}{_through(data)}", ""]
    sessions = {one["pid"]: one for one in data["sessions"]}
    told: set[int] = set()
    for root in data["roots"]:
        lines += _branch(root["pid"], sessions, told, "", f"  blocks {root['victims']}")
    rest = [pid for pid, one in sessions.items() if pid not in told and one["behind"]]
    if rest:
        lines.append("These wait for each other; Postgres ends one of them after deadlock_timeout:")
        lines += [f"  {_who(sessions[pid])}" for pid in rest]
    for one in data["prepared"]:
        lines.append(f"prepared transaction {one['gid']} of {one['role']} in {one['database']}: its owner decides it")
    return "\n".join(lines)


def _branch(pid: int, sessions: dict[int, dict[str, Any]], told: set[int], indent: str, more: str) -> list[str]:
    """One session and those that wait for it directly, each once: in a queue the nearest one that it waits for."""
    told.add(pid)
    lines = [f"{indent}{_who(sessions.get(pid, {'pid': pid}))}{more}"]
    for other, one in sessions.items():
        if other not in told and one["behind"] and pid == min(one["behind"], key=lambda p: (p not in told, p)):
            lines += _branch(other, sessions, told, indent + "  ", "")
    return lines


def _who(one: dict[str, Any]) -> str:
    if one["pid"] == 0:
        return "a prepared transaction"
    if "state" not in one:
        return f"pid {one['pid']}  (gone, or a process of the server)"
    doing = one["state"] or one["kind"]
    who = _cut(one["application"], 20) or one["role"]
    return f"pid {one['pid']}  {who}  {doing} {_seconds(one['seconds'])}  {_cut(one['query'], _QUERY)}".rstrip()


def pool(data: dict[str, Any]) -> str:
    """Slots, limits, holders, PgBouncer."""
    room = data["slots"]
    left = max(0, room["slots"] - room["used"] - room["hidden"])
    hidden = f", {room['hidden']} hidden from this role" if room["hidden"] else ""
    lines = [
        f"{data['address']}: {room['used']} of {room['slots']} slots for applications are used, {left} left{hidden}"
        f"{_through(data)}",
        f"  {room['active']} active, {room['idle']} idle, {room['idle_in_transaction']} idle in a transaction; "
        f"max_connections {room['max_connections']}, {room['superuser_reserved'] + room['reserved']} reserved",
    ]
    lines += [f"  {row['kind']} {row['name']}: {row['sessions']} of its own {row['limit']}" for row in data["limits"]]
    if data["holders"]:
        head = (
            "application",
            "role",
            "database",
            "address",
            "sessions",
            "active",
            "idle",
            "in transaction",
            "idle for",
        )
        rows = [
            (_cut(row["application"], 20), row["role"], row["database"], row["address"], str(row["sessions"]),
             str(row["active"]), str(row["idle"]), str(row["idle_in_transaction"]),
             "" if row["idle_seconds"] is None else _seconds(row["idle_seconds"]))
            for row in data["holders"][:15]
        ]  # fmt: skip
        lines += ["", *_table(head, rows)]
    lines += _pooler(data["pgbouncer"])
    return "\n".join(lines)


def _pooler(found: dict[str, Any] | None) -> list[str]:
    if found is None:
        return []
    if not found["pools"]:
        return ["", f"PgBouncer: {found['says']}"]
    head = ("PgBouncer pool", "size", "clients", "waiting", "longest", "at work", "idle", "logging in", "")
    rows = []
    for row in found["pools"][:15]:
        marks = " ".join(word for word in ("paused", "disabled") if row[word])
        rows.append((f"{row['database']} as {row['user']}", str(row["pool_size"]), str(row["cl_active"]),
                     str(row["cl_waiting"]), _seconds(row["longest_wait_seconds"]), str(row["sv_active"]),
                     str(row["sv_idle"] + row["sv_used"]), str(row["sv_login"]), marks))  # fmt: skip
    return ["", *_table(head, rows)]


def size(data: dict[str, Any]) -> str:
    """Databases by size, then tables."""
    lines = [f"{data['address']}{_through(data)}", ""]
    ordered = sorted(data["databases"], key=lambda one: -(one["bytes"] or 0.0))
    rows = [
        (one["database"], _bytes(one["bytes"]) if one["bytes"] is not None else one["says"]) for one in ordered[:20]
    ]
    lines += _table(("database", "size"), rows)
    if data["tables"]:
        head = (f"table of {data['database']}", "size", "indexes", "rows")
        tables = []
        for row in data["tables"]:
            name, rows_there = _cut(f"{row['schema']}.{row['name']}", 48), f"{row['rows']:,.0f}"
            tables.append((name, _bytes(row["bytes"]), _bytes(row["index_bytes"]), rows_there))
        lines += ["", *_table(head, tables), "Tables by their statistics: as of the last vacuum or analyze."]
    if data["tables_say"]:
        lines += ["", data["tables_say"]]
    return "\n".join(lines)


def _through(data: dict[str, Any]) -> str:
    return "" if data["endpoint"] != "postgres-superuser" else " (read through postgres-superuser: no slot was left)"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    cells = [[printable(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[n]) for row in cells) for n in range(len(head))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def _seconds(value: float | None) -> str:
    return "" if value is None else format_quantity(max(0.0, float(value)), "s")


def _bytes(value: float) -> str:
    return format_quantity(value, "bytes")


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"

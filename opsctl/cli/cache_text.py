"""`opsctl cache stats` as text."""

from __future__ import annotations

from typing import Any

from opsctl.durations import format_quantity

_SHOWN = 15
_FEW = 100  # lookups below which their ratio says little


def render(data: dict[str, Any]) -> str:
    """Where, how well, how full, and what is in it."""
    lines = [
        f"{data['service']}: redis {data['address']} db{data['database']}, Redis {data['version']}, {data['role']}, "
        f"up {format_quantity(data['uptime_seconds'], 's')}   ({data['setting']})",
        f"  hits     {_hits(data)}",
        f"  memory   {_memory(data['memory'])}",
        f"  evicted  {_rate(data['evicted_per_second'])}   expired {_rate(data['expired_per_second'])}",
        f"  keys     {_keys(data['keys'])}",
    ]
    rows = [_row(one) for one in data["prefixes"][:_SHOWN]]
    if rows:
        rows.insert(0, ("prefix", "keys", "share", "memory", "longest left", "configured", ""))
        wide = [max(len(row[column]) for row in rows) for column in range(6)]
        lines.append("")
        lines += [_line(row, wide) for row in rows]
    if len(data["prefixes"]) > _SHOWN:
        lines.append(f"  {len(data['prefixes']) - _SHOWN} further prefixes")
    lines += [f"  no key {name} was seen, which the profile names" for name in data["missing"]]
    return "\n".join(lines)


def _hits(data: dict[str, Any]) -> str:
    if data["lookups"] is None:
        return "not known: the counters were reset meanwhile"
    seconds = format_quantity(data["over_seconds"], "s")
    since = f"; {format_quantity(data['hit_ratio_since_start'], 'ratio')} since the start"
    if not data["lookups"]:
        return f"nobody asked for a key in {seconds}{since}"
    few = "too few to tell, " if data["lookups"] < _FEW else ""
    return (
        f"{format_quantity(data['hit_ratio'], 'ratio')} of {data['lookups']:,.0f} lookups in {seconds}"
        f" ({few}{_rate(data['lookups_per_second'])}){since}"
    )


def _memory(memory: dict[str, Any]) -> str:
    used, limit = memory["used_bytes"], memory["limit_bytes"]
    if not limit:
        return f"{format_quantity(used, 'bytes')}, no limit"
    share = format_quantity(used / limit, "ratio")
    return f"{format_quantity(used, 'bytes')} of {format_quantity(limit, 'bytes')} ({share}), {memory['policy']}"


def _keys(keys: dict[str, Any]) -> str:
    total = keys["total"]
    if not total:
        return "none"
    never = format_quantity(1 - keys["expiring"] / total, "ratio")
    looked = "all" if keys["complete"] else f"{keys['sampled']:,}"
    return f"{total:,}, {never} of them never expire; {looked} looked at"


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    longest = "" if one["longest_left_seconds"] is None else format_quantity(one["longest_left_seconds"], "s")
    if one["never_expire"]:
        longest = f"never expire {format_quantity(one['never_expire'], 'ratio')}"
    configured = one["configured_seconds"]
    return (
        one["prefix"] or "(none)",
        f"{one['keys_about']:,}",
        format_quantity(one["share"], "ratio"),
        "" if one["bytes_about"] is None else format_quantity(one["bytes_about"], "bytes"),
        longest,
        format_quantity(configured, "s") if configured is not None else "not known",
        "longer than configured" if one["beyond_configured"] else "",
    )


def _line(row: tuple[str, ...], wide: list[int]) -> str:
    cells = [row[0].ljust(wide[0]), *(row[column].rjust(wide[column]) for column in range(1, 4))]
    cells += [row[column].ljust(wide[column]) for column in (4, 5)]
    return ("  " + "  ".join([*cells, row[6]])).rstrip()


def _rate(value: float | None) -> str:
    return "not known" if value is None else format_quantity(value, "per_second")

"""Who is connected to Redis and what their answers pile up to (RD-6)."""

from __future__ import annotations

from collections import Counter
from typing import ClassVar

from opsctl.durations import format_quantity, parse_quantity
from opsctl.errors import CouldNotLook
from opsctl.model import Seen, Value
from opsctl.probes.look import Look
from opsctl.probes.quantities import judged
from opsctl.probes.redis_session import RedisParams, session
from opsctl.probes.registry import probe
from opsctl.redact import printable, redact

_SHOWN = 10


class ConnectionsParams(RedisParams, frozen=True, kw_only=True):
    """``share``: of all connections that one address must hold, at least ``least`` of them.

    ``buffers``: bytes of answers that clients have not read. ``most``: with more clients the list is not asked for.
    """

    ratios: ClassVar[tuple[str, ...]] = ("share",)
    share: str | float = "50%"
    least: int = 100
    buffers: str | float = "64MiB"
    most: int = 5000

    def __post_init__(self) -> None:
        super().__post_init__()
        parse_quantity(self.buffers, "bytes")


@probe(
    "redis.connections",
    emits={
        "redis.one-client-dominates": "One client address holds most of the connections",
        "redis.output-piles-up": "Clients do not read their answers: output buffers take memory",
    },
    params=ConnectionsParams,
    asks="CLIENT LIST, by address and name",
    privilege="ACL +client|list +info",
    cost="one command that walks all clients; left out above 5000 of them",
    minimum="Redis 6.2",
)
def connections(look: Look, params: ConnectionsParams) -> Seen:
    """RD-6. Shows which programs share this Redis."""
    here = session(look, params)
    connected = here.info().number("connected_clients") or 0
    if connected > params.most:
        raise CouldNotLook(
            "skipped",
            f"{connected:g} clients are connected; above {params.most} they are not listed",
            address=here.reader.address,
            setting=here.reader.setting,
        )
    here.asked.append("CLIENT LIST")
    rows = here.reader.clients(here.left())
    groups: Counter[tuple[str, str]] = Counter()
    by_host: Counter[str] = Counter()
    waiting = 0.0
    for row in rows:
        host = row["addr"].rpartition(":")[0] or row["addr"]
        groups[(host, redact(printable(row.get("name", "")))[:40])] += 1
        by_host[host] += 1
        waiting += float(row.get("omem") or 0)
    values = [
        Value(name="connections", value=number, unit="count", labels={"address": host, "client": name or "unnamed"})
        for (host, name), number in groups.most_common(_SHOWN)
    ]
    values.append(Value(name="output buffers", value=waiting, unit="bytes"))
    share, limit = params.number("share"), parse_quantity(params.buffers, "bytes")
    host, number = by_host.most_common(1)[0] if by_host else ("nobody", 0)
    part = number / max(1, len(rows))
    several = len(by_host) > 1
    says = f"{host} holds {number} of {len(rows)} connections" + ("" if several else ", the only client address")
    findings = (
        judged("redis.one-client-dominates", several and part >= share and number >= params.least, says,
               measured=part, threshold=share, unit="ratio", parameter="share"),
        judged("redis.output-piles-up", waiting >= limit,
               f"{format_quantity(waiting, 'bytes', beside=limit)} of answers wait to be read by clients, limit "
               f"{format_quantity(limit, 'bytes')}",
               measured=waiting, threshold=limit, unit="bytes", parameter="buffers"),
    )  # fmt: skip
    return Seen(evidence=(here.evidence(values),), findings=findings)

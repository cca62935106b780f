"""Does PgBouncer answer, and did somebody leave a database paused or disabled, or can it not log in behind (2.2)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import ClassVar

from opsctl.errors import CouldNotLook
from opsctl.model import Evidence, Finding, Seen, Value
from opsctl.probes.look import Look
from opsctl.probes.pgbouncer_session import PgbouncerParams, name_of, number, session, waiting
from opsctl.probes.quantities import judged
from opsctl.probes.registry import probe

_DOWN = frozenset({"refused", "timeout", "closed", "server-error"})
_ANSWERS = frozenset({"unauthorized", "forbidden", "slots-full"})
_IDS = ("pgbouncer.paused", "pgbouncer.disabled", "pgbouncer.login-failing")


class StateParams(PgbouncerParams, frozen=True, kw_only=True):
    """``pause``: between two looks at the pools; a login that is seen in both does not get through."""

    durations: ClassVar[tuple[str, ...]] = ("pause",)
    pause: str | float = "500ms"


@probe(
    "pgbouncer.state",
    emits={
        "pgbouncer.unreachable": "PgBouncer does not accept connections at its address",
        "pgbouncer.paused": "A database is paused in PgBouncer: its clients wait until RESUME",
        "pgbouncer.disabled": "A database is disabled in PgBouncer: new clients are turned away until ENABLE",
        "pgbouncer.login-failing": "PgBouncer gets no connection to its server while clients wait",
    },
    params=StateParams,
    asks="SHOW DATABASES, SHOW POOLS twice, SHOW VERSION",
    privilege="a user of stats_users",
    cost="four SHOW and a pause",
    minimum="PgBouncer 1.8",
)
def state(look: Look, params: StateParams) -> Seen:
    """2.2. Breach of ``unreachable`` is what is seen from this host; a refused login still is an answer.

    Clients of a server that refuses PgBouncer's password are turned away and do not wait: only its log tells of those.
    """
    here = session(look, params)
    try:
        databases = here.show("DATABASES")
    except CouldNotLook as failure:
        if failure.reason not in _DOWN | _ANSWERS:
            raise
        return _no_answer(failure)
    before, after, _ = here.two("POOLS", params.number("pause"))
    version = next((str(row.get("version") or "") for row in here.show("VERSION")), "")
    values = [
        Value(name="version", value=version),
        *(Value(name="database", value=str(row.get("name")), labels={name: str(row.get(name))})
          for row in databases for name in ("paused", "disabled") if number(row, name)),
    ]  # fmt: skip
    findings = [judged("pgbouncer.unreachable", False, f"{here.reader.address} answers")]
    for id, column, remedy in ((_IDS[0], "paused", "RESUME"), (_IDS[1], "disabled", "ENABLE")):
        names = [str(row.get("name")) for row in databases if number(row, column)]
        says = f"{column}: {', '.join(names[:5])} ({remedy} ends it)" if names else f"no database is {column}"
        findings.append(judged(id, bool(names), says, measured=len(names), unit="count"))
    earlier = {(row.get("database"), row.get("user")) for row in before if _stuck(row)}
    stuck = [row for row in after if _stuck(row) and (row.get("database"), row.get("user")) in earlier]
    if stuck:
        worst = stuck[0]
        says = (
            f"{name_of(worst)}: {waiting(number(worst, 'cl_waiting'))}, no server is connected, "
            f"{number(worst, 'sv_login'):g} logging in; PgBouncer's log has the server's reason"
        )
    else:
        says = "no pool has clients waiting without any server connection"
    findings.append(judged(_IDS[2], bool(stuck), says))
    return Seen(evidence=(here.evidence(values),), findings=tuple(findings))


def _stuck(row: dict[str, object]) -> bool:
    """Clients wait and there is no server at all that could serve them."""
    servers = sum(number(row, name) for name in ("sv_active", "sv_idle", "sv_used", "sv_tested"))
    return number(row, "cl_waiting") > 0 and servers == 0


def _no_answer(failure: CouldNotLook) -> Seen:
    down = failure.reason in _DOWN
    says = f"from this host {failure.says}" if down else f"PgBouncer answers, but not us: {failure.says}"
    evidence = Evidence(
        subject="pgbouncer",
        source=f"pgbouncer {failure.address}",
        values=(Value(name="answers", value=not down, note=failure.says),),
        setting=failure.setting,
        sampled_at=datetime.now(UTC),
    )
    unknown = tuple(Finding(id=id, state="unknown", says=failure.says, reason=failure.reason) for id in _IDS)
    return Seen(evidence=(evidence,), findings=(judged("pgbouncer.unreachable", down, says), *unknown))

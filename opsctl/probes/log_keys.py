"""Who uses which API key, by the access log: new addresses, two at once, guessing, walking through ids, volume."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from opsctl.clients.logfile import LogWindow
from opsctl.durations import format_duration, parse_quantity
from opsctl.errors import CouldNotLook, NotConfigured
from opsctl.model import Evidence, Finding, Seen, Severity, Value
from opsctl.probes.key_uses import ADMIN, KeyUse, SourceUse, Uses, own_addresses
from opsctl.probes.look import Look
from opsctl.probes.registry import Params, probe

_ACCUSTOMED = 4  # addresses: a key that is used from more of them tells nothing by a new one
_TOGETHER = 3  # requests of the old address after the new one came, from which both count as active
_SILENCE = 5.0  # requests that the old address would have made since, from which its silence tells that it has gone
_SHOWN = 12

EMITS = {
    "log.key-shared": "A key is used from a new address while the usual one goes on using it.",
    "log.key-moved": "A key is used from a new address, and no longer from the usual one.",
    "log.key-guessed": "An address was refused again and again, and then was let in.",
    "log.key-enumerates": "One key walks through many ids, most of which it may not see or which are not there.",
    "log.key-volume": "One key alone sends many times its usual requests, from its usual address.",
    "log.key-reported": "A key that was reported as leaked is still in use.",
    "log.admin-new-source": "Administration is done from an address that has not done it before.",
    "log.admin-changes": "An address that is new to administration has made, changed or removed something.",
}
_SEVERITY: dict[str, Severity] = {
    "log.key-shared": "sev1",
    "log.key-guessed": "sev1",
    "log.admin-new-source": "sev1",
    "log.admin-changes": "sev1",
    "log.key-enumerates": "sev2",
    "log.key-reported": "sev2",
    "log.key-moved": "sev3",
    "log.key-volume": "sev3",
}


class KeysParams(Params, frozen=True, kw_only=True):
    """``log``: a JSON log of the profile. ``within``: what counts as now ("" = the service's window); ``history``: how
    far back usual addresses are looked for. ``usual``: requests of other addresses before a new one counts as new.

    ``guesses``: refused requests of one address; ``ids``: different ids within the window; ``times``: of usual volume.
    ``reported``: the id of a key that somebody says has leaked.
    """

    log: str = "app"
    within: str | float = ""
    history: str | float = "24h"
    usual: int = 20
    guesses: int = 10
    ids: int = 20
    times: float = 3.0
    reported: str = ""

    def __post_init__(self) -> None:
        for value in (self.within, self.history):
            if value != "" and parse_quantity(value, "s") <= 0:
                raise ValueError("within and history must be more than nothing")


@probe(
    "log.keys",
    params=KeysParams,
    emits=EMITS,
    asks="the JSON lines of the service's access log on this host: key_id or customer_id, client_host, path, status",
    privilege="read permission on the file",
    cost="reads the newest 32 MiB of the history at most",
)
def keys(look: Look, params: KeysParams) -> Seen:
    """One finding per way in which a key can be misused; key ids only, never a key (VRI-45, VRI-46, B-56)."""
    spec = look.profile.logs.get(params.log)
    if spec is None:
        raise NotConfigured(f"{look.profile.service} defines no log {params.log}")
    setting = f"profile {look.profile.service}, logs.{params.log}"
    within = parse_quantity(look.profile.window if params.within == "" else params.within, "s")
    history = max(within, parse_quantity(params.history, "s"))
    window = LogWindow(
        spec.path,
        since=look.now - history,
        until=look.now,
        format=spec.format,
        deadline=time.monotonic() + look.remaining(),
        setting=setting,
    )
    uses = Uses(look.now, within, own_addresses(look.profile.settings), look.profile.settings)
    for line in window:
        uses.add(line)
    if not uses.lines:
        says = f"no line of {window.path} in {format_duration(history)} names a key or a customer with an address"
        raise CouldNotLook("no-data", says, address=window.path, setting=setting)
    if uses.newest < look.now - within:
        says = f"{window.path} has no request of the last {format_duration(within)}"
        raise CouldNotLook("no-data", says, address=window.path, setting=setting)
    return Seen(
        evidence=(_evidence(uses, window, params, setting, history),),
        findings=tuple(_judged(uses, params)),
    )


def _judged(uses: Uses, params: KeysParams) -> list[Finding]:
    shared: list[str] = []
    moved: list[str] = []
    unclear: list[str] = []
    admin: list[str] = []
    changed: list[str] = []
    walked: list[str] = []
    for key in uses.keys.values():
        for source in key.sources.values():
            if source.now and source.walked > params.ids and source.missed * 2 > source.walked:
                walked.append(f"{key.id} from {source.address} asked for {source.walked} ids in {uses.span}")
            if not _is_new(uses, key, source, params.usual):
                continue
            others = key.total - source.before - source.count
            when = f"{key.id} is used from {source.address} since {_clock(source.first)}"
            if key.id == ADMIN:
                admin.append(
                    f"administration from {source.address} since {_clock(source.first)}, {source.now} requests"
                )
                if source.changes:
                    changed.append(f"{source.changes} changes from {source.address}: {', '.join(source.changed[:3])}")
            elif others >= _TOGETHER:
                shared.append(f"{when}, while {key.usual(source)} goes on ({others} requests)")
            elif key.expected(source, uses.now) >= _SILENCE:
                moved.append(f"{when}, and no longer from {key.usual(source)}")
            else:
                unclear.append(f"{when}; whether {key.usual(source)} goes on using it is not known yet")
    guessed = [
        f"{address} was refused {seen.refused} times and let in at {_clock(seen.let_in)}"
        for address, seen in uses.addresses.items()
        if seen.refused >= params.guesses and seen.let_in > 0
    ]
    quiet = {"log.key-shared": "no key is used from a new address beside its usual one",
             "log.key-moved": "no key has moved to a new address",
             "log.key-guessed": "no address was refused often and then let in",
             "log.key-enumerates": f"no key asks for more than {params.ids} ids that it may not see",
             "log.admin-new-source": "administration comes from the usual addresses",
             "log.admin-changes": "nothing was changed from an address new to administration"}  # fmt: skip
    found = {"log.key-shared": shared, "log.key-moved": moved, "log.key-guessed": guessed,
             "log.key-enumerates": walked, "log.admin-new-source": admin, "log.admin-changes": changed}  # fmt: skip
    answers = [_finding(id, told, quiet[id]) for id, told in found.items()]
    if unclear:
        open_ = {"log.key-shared": shared, "log.key-moved": moved}
        answers = [
            Finding(id=one.id, state="unknown", says="; ".join(unclear[:2]), reason="too-few")
            if one.id in open_ and not open_[one.id]
            else one
            for one in answers
        ]
    return [*answers, _volume(uses, params), _reported(uses, params.reported)]


def _is_new(uses: Uses, key: KeyUse, source: SourceUse, usual: int) -> bool:
    """Used now, let in, and first seen after others had used the key for a while."""
    if not source.now or not source.accepted or source.address in uses.own:
        return False
    return source.before >= usual and 0 < source.known <= _ACCUSTOMED


def _volume(uses: Uses, params: KeysParams) -> Finding:
    id = "log.key-volume"
    rates = {key.id: rate for key in uses.keys.values() if key.id != ADMIN and (rate := key.times(uses)) is not None}
    if not rates:
        says = f"the log reaches back too little to tell what {uses.span} of each key usually hold"
        return Finding(id=id, state="unknown", says=says, reason="too-few")
    ordered = sorted(rates.values())
    middle = ordered[(len(ordered) - 1) // 2]
    loud = [
        key
        for key, times in rates.items()
        if times > params.times and times > 2 * middle and uses.keys[key].from_usual(_ACCUSTOMED)
    ]
    if not loud:
        return Finding(
            id=id, state="ok", says=f"no key alone sends more than {params.times:g} times its usual requests"
        )
    key = max(loud, key=lambda one: uses.keys[one].now)
    says = f"{key} sent {uses.keys[key].now} requests in {uses.span}, {rates[key]:.1f} times its usual number"
    return _finding(id, [f"{says}, from {uses.keys[key].usual()}"], "")


def _reported(uses: Uses, reported: str) -> Finding:
    id = "log.key-reported"
    if not reported:
        return Finding(id=id, state="ok", says="no key was reported as leaked")
    key = uses.keys.get(reported)
    if key is None:
        return Finding(id=id, state="ok", says=f"{reported} was reported as leaked, and the log shows no use of it")
    return _finding(id, [f"{reported} was reported as leaked; {key.total} requests, most from {key.usual()}"], "")


def _finding(id: str, told: list[str], quiet: str) -> Finding:
    if not told:
        return Finding(id=id, state="ok", says=quiet)
    more = f"; {len(told) - 2} more" if len(told) > 2 else ""
    return Finding(id=id, state="breach", says="; ".join(told[:2]) + more, severity=_SEVERITY[id])


def _evidence(uses: Uses, window: LogWindow, params: KeysParams, setting: str, history: float) -> Evidence:
    values = [Value(name="requests", value=uses.lines, unit="count", at_least=not window.complete)]
    busy = sorted(uses.keys.values(), key=lambda key: (-_suspicious(uses, key, params), -key.now))
    for key in busy[:_SHOWN]:
        sources = sorted(key.sources.values(), key=lambda source: -source.now)
        if not key.now:
            continue
        rate = uses.per_hour(key.now)
        told = ", ".join(
            f"{s.address} {uses.per_hour(s.now):,.0f}/h since {_clock(s.first)}" for s in sources[:4] if s.now
        )
        values.append(Value(name=key.id, value=rate, unit="/h", note=told, labels={"customer": key.customer}))
    if uses.by_customer:
        values.append(Value(name="note", value="the log names no key_id: customers stand for their keys"))
    if uses.left_out:
        values.append(
            Value(name="left out", value=uses.left_out, unit="count", note="more keys and addresses than kept")
        )
    values += [Value(name="note", value=text) for text in window.notes]
    return Evidence(
        subject=f"log {params.log}",
        source=f"log {window.path}",
        setting=setting,
        query=f"requests by key and address; usual addresses of {format_duration(history)}",
        window=uses.span,
        sampled_at=datetime.now(UTC),
        values=tuple(values),
    )


def _suspicious(uses: Uses, key: KeyUse, params: KeysParams) -> int:
    return sum(_is_new(uses, key, source, params.usual) for source in key.sources.values())


def _clock(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%H:%M:%S} UTC"

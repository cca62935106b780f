"""alertmanager.silence-symptoms: scoped silences, with an end, of what follows from a storm's root, never of it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from opsctl.actions.alertmanager_silenced import apply, settled, undo, verify
from opsctl.actions.alertmanager_storm import Seen, against, hit, matchers_of, observe
from opsctl.actions.model import Check, Excluded, Limit, Pace, Params, Proposal, Step, Target
from opsctl.actions.registry import Action, register
from opsctl.durations import format_duration, parse_duration
from opsctl.errors import UsageError
from opsctl.redact import printable, redact
from opsctl.silences.matcher import Matcher

if TYPE_CHECKING:
    from opsctl.actions.hands import Hands
    from opsctl.probes.alertmanager_storm_alert import Group, StormAlert
    from opsctl.silences.guard import Refusal

_LONGEST = 7200.0  # domain-checks.md 2.6: longer ones are extended on purpose
_AUDIBLE = 6  # names told


class SilenceParams(Params, frozen=True, kw_only=True):
    """``allow``: ``NAME=why`` of protected alerts; ``allow_count``: alerts that it may mute in all."""

    duration: str = "30m"
    allow: tuple[str, ...] = ()
    allow_count: int | None = None
    root: str = ""

    def __post_init__(self) -> None:
        try:
            seconds = parse_duration(self.duration)
        except UsageError as error:
            raise ValueError(error.sentence()) from None
        if not 60.0 <= seconds <= _LONGEST:
            raise ValueError("a silence of symptoms lasts from 1m to 2h; extend it when you need more")
        if self.allow_count is not None and self.allow_count < 1:
            raise ValueError("allow_count must be at least 1")
        for word in self.allow:
            name, sign, reason = word.partition("=")
            if not (name.strip() and sign and reason.strip()):
                raise ValueError(f"{word!r} gives no reason: write NAME=why")


def _observe(hands: Hands, params: SilenceParams) -> Seen:
    return observe(hands)


def propose(seen: Seen, params: SilenceParams) -> Proposal:
    """One silence per group of alerts that follows from the root. Pure."""
    storm, seconds = seen.storm, parse_duration(params.duration)
    groups = [group for group in storm.groups if group.alerts]
    named: dict[str, list[StormAlert]] = {}  # a silence here always names an alert: only those can be hit
    for alert in seen.alerts:
        named.setdefault(alert.name, []).append(alert)
    roots = {one.group.name for one in storm.roots}
    root = storm.root
    if params.root:
        roots.add(params.root)
        root = next((one for one in storm.ranked if one.group.name == params.root), None)
    steps: list[Step] = []
    excluded: list[Excluded] = []
    muted: set[str] = set()
    limit = params.allow_count if params.allow_count is not None else int(seen.policy.share * len(seen.alerts))
    comment = _comment(seen, root.group.name if root else "")
    covered = {storm.groups[place].name for place in root.covers} if root else set()
    # The largest first: each silence is there to make the most noise stop.
    for group in sorted(groups, key=lambda one: (-one.loud, one.name)):
        against = _left_alone(group, roots, covered, params.root)
        matchers = matchers_of(group)
        hits = hit(matchers, named.get(group.name, []))
        if against is None:
            against = _refused(seen, group, matchers, seconds, comment, params)
        keys = {alert.key for alert in hits if not alert.status.silenced_by}
        if against is None and len(muted | keys) > limit:
            total = sum(one.loud for one in groups if one.name in covered and one.name not in roots)
            why = f"with it {len(muted | keys)} of {len(seen.alerts)} firing alerts were muted, the limit is {limit}"
            against = Excluded(id=group.name, says=_size(group), why=why, lift=f"--allow-count {total}")
        if against is not None:
            excluded.append(against)
            continue
        muted |= keys
        steps.append(_step(seen, group, matchers, hits, seconds, comment, root.group if root else None, params))
    critical = sum(1 for alert in seen.alerts if alert.key in muted and alert.labels.get("severity") == "critical")
    return Proposal(
        subject=f"alertmanager {seen.address}",
        scope=f"alertmanager {seen.address}",
        steps=tuple(steps),
        of=len(groups),
        unit="groups of alerts",
        impact=f"nobody is told of {len(muted)} of {len(seen.alerts)} firing alerts ({critical} critical) for "
        f"{format_duration(seconds)}; each is still shown, and told again when the silence ends",
        undo="opsctl ledger undo RUN ends the silences",
        excluded=tuple(excluded),
        checks=_checks(seen, roots, root.group.name if root else "", seconds, comment, params),
        notes=_notes(seen, muted),
    )


def _left_alone(group: Group, roots: set[str], covered: set[str], named: str) -> Excluded | None:
    """Why this group is none to silence; None when it is."""

    def no(why: str, refused: bool = False, lift: str = "") -> Excluded:
        return Excluded(id=group.name, says=_size(group), why=why, refused=refused, lift=lift)

    if group.name in roots:
        why = "you named it as the root" if group.name == named else "it is, or may be, what the storm began with"
        return no(why, refused=True)
    if not group.recent:
        return no("it fired before the storm")
    if group.name not in covered:
        return no("nothing says that it follows from the root")
    if not group.loud:
        return no("nobody is told of it as it is: silenced or inhibited")
    return None


def _refused(
    seen: Seen, group: Group, matchers: Sequence[Matcher], seconds: float, comment: str, params: SilenceParams
) -> Excluded | None:
    """What the team's policy says against this silence, as `opsctl silence create` would."""
    found = _against(seen, matchers, seconds, comment, params)
    about = [one for one in found if one.rule not in OF_ALL]
    if not about:
        return None
    says = "; ".join(one.says.partition(". ")[0] for one in about)
    lift = next((one.lift for one in about if one.lift), "")
    return Excluded(id=group.name, says=_size(group), why=says, lift=lift)


OF_ALL = ("max_duration", "comment", "comment_max", "ticket", "ticket_pattern")  # the same for every silence


def _against(
    seen: Seen, matchers: Sequence[Matcher], seconds: float, comment: str, params: SilenceParams
) -> tuple[Refusal, ...]:
    return against(
        seen.policy,
        matchers,
        seconds=seconds,
        comment=comment,
        firing=[alert.labels for alert in seen.alerts],
        allow=params.allow,
        allow_count=params.allow_count,
    )


def _checks(
    seen: Seen, roots: set[str], root: str, seconds: float, comment: str, params: SilenceParams
) -> tuple[Check, ...]:
    storm = seen.storm
    heard = [alert for alert in seen.alerts if alert.name in roots and not alert.muted]
    form = _against(seen, (Matcher(name="alertname", value="opsctl-none"),), seconds, comment, params)
    checks = [
        Check(
            id="storm",
            says=f"{storm.rate:.0f} alerts {storm.counted}, a storm is more than {storm.limit:g}",
            ok=storm.holds,
        ),
        Check(
            id="root",
            says=f"it began with {root}" if root else f"it began with {params.root or 'none that fires'}",
            ok=bool(root),
        ),
        Check(
            id="root-audible",
            says=f"of {', '.join(sorted(roots)) or 'no root'} {len(heard)} alerts reach people, at least 1 must",
            ok=bool(heard),
        ),
        Check(
            id="members",
            says=f"every Alertmanager told its alerts{': no, ' + '; '.join(seen.unheard) if seen.unheard else ''}",
            ok=not seen.unheard,
        ),
    ]
    checks += [Check(id=one.rule, says=one.says, ok=False, lift=one.lift) for one in form if one.rule in OF_ALL]
    return tuple(checks)


def _step(
    seen: Seen,
    group: Group,
    matchers: Sequence[Matcher],
    hits: Sequence[StormAlert],
    seconds: float,
    comment: str,
    root: Group | None,
    params: SilenceParams,
) -> Step:
    plain = [{"name": one.name, "value": one.value} for one in matchers]
    critical = sum(1 for alert in hits if alert.labels.get("severity") == "critical")
    text = " ".join(f"{one.name}={one.value}" for one in matchers)
    words = ["opsctl", "silence", "create", *(one.text() for one in matchers)]
    name = root.name if root else ""
    return Step(
        target=Target(id=group.name, pin={"matchers": text, "root": name}, says=_size(group)),
        why=f"follows from {name}",
        calls=(shlex.join([*words, "--for", format_duration(seconds), "--comment", comment]),),
        before={
            "matchers": plain,
            "covers": sorted(alert.key[:16] for alert in hits),
            "critical": critical,
            "root": name,
            "seconds": seconds,
            "comment": comment,
            "allow": list(params.allow),
            "allow_count": params.allow_count,
            "inverse": {"matchers": plain},
        },
        shows=(
            f"mutes {len(hits)} of {len(seen.alerts)} firing alerts ({critical} critical): {text}",
            f"stands for them: {_named(group.representative)}",
        ),
    )


def _comment(seen: Seen, root: str) -> str:
    """Why there is a silence: the root stays in it, so that whoever finds it knows where to look."""
    told = f"alert storm: follows from {root}" if root else "alert storm"
    return redact(printable(f"{seen.reason}: {told}" if seen.reason else told))


def _notes(seen: Seen, muted: set[str]) -> tuple[str, ...]:
    count: dict[str, int] = {}
    for alert in seen.alerts:
        if alert.key not in muted and not alert.muted:
            count[alert.name] = count.get(alert.name, 0) + 1
    order = sorted(count, key=lambda name: (-count[name], name))
    names = ", ".join(f"{name} ({count[name]})" for name in order[:_AUDIBLE])
    more = f" and {len(order) - _AUDIBLE} more names" if len(order) > _AUDIBLE else ""
    return (f"stays audible: {names}{more}" if names else "nothing that fires stays audible",)


def _size(group: Group) -> str:
    count = len(group.alerts)
    return f"{count} alert{'' if count == 1 else 's'}, {group.severity or 'severity unknown'}"


def _named(alert: StormAlert) -> str:
    labels = ", ".join(f"{name}={value}" for name, value in sorted(alert.labels.items()) if name != "alertname")
    return redact(printable(f"{alert.name}{{{labels}}}"))[:160]


HELP: Mapping[str, str] = {
    "duration": "How long the silences last, 1m to 2h.",
    "allow": "A protected alert that may be muted all the same, with the reason: NAME=why.",
    "allow_count": "Mute up to so many firing alerts, whatever share of them that is.",
    "root": "The alert that you know to be the root: it stays audible, and what it explains is silenced.",
}

register(
    Action(
        id="alertmanager.silence-symptoms",
        title="Silence what follows from a storm's root, for a while; the root stays audible",
        params=SilenceParams,
        observe=_observe,
        propose=propose,
        apply=apply,
        settled=settled,
        undo=undo,
        verify=verify,
        help=HELP,
        weight=2,
        asks="POST /api/v2/silences per group of alerts; DELETE /api/v2/silence/ID to undo",
        privilege="what a proxy before Alertmanager asks for to create silences",
        limit=Limit(targets=10, share=0.9),
        pace=Pace(batch=10, pause=0.2),
    )
)

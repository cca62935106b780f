"""The guards of a silence: what the policy refuses, each with the sentence that says why and what lifts it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from opsctl.durations import format_duration
from opsctl.silences.matcher import Matcher, matches_all
from opsctl.silences.policy import Policy

Labels = Mapping[str, str]


class Refusal(NamedTuple):
    """``rule``: the policy's key. ``lift``: the flag that admits it, "" where nothing does."""

    rule: str
    says: str
    lift: str = ""


def refusals(
    policy: Policy,
    matchers: Sequence[Matcher],
    *,
    seconds: float,
    comment: str,
    ticket: str = "",
    firing: Sequence[Labels] | None = None,
    complete: bool = True,
    allowed: Mapping[str, str] | None = None,
    allow_count: int | None = None,
) -> tuple[Refusal, ...]:
    """Everything that stands against this silence. ``seconds``: how long it mutes. ``firing``: label sets of the alerts
    that fire now, None when they are not known; not ``complete``: only those that it would mute. ``allowed``: protected
    alert -> reason, as given with ``--allow``; ``allow_count``: so many alerts it may mute whatever their share.
    """
    found = [*_too_wide(policy, matchers, firing if complete else None), *_form(policy, seconds, comment, ticket)]
    if any(refusal.rule == "matchers" for refusal in found):
        return tuple(found)  # share and protected alerts follow from it, and nothing that lifts them would help
    if firing is not None:
        found += _share(policy, matchers, firing, complete, allow_count)
    return (*found, *_protected(policy, matchers, firing or (), allowed or {}))


def _too_wide(policy: Policy, matchers: Sequence[Matcher], firing: Sequence[Labels] | None) -> list[Refusal]:
    """A silence of everything, and what equals it."""
    telling = [m for m in matchers if m.is_equal and not m.says_nothing and not m.matches_empty]
    reach = _reach(matchers, firing or ())
    advice = "Name what you maintain, e.g. service=orchestrator."
    if not matchers:
        return [Refusal("matchers", f"a silence without a matcher mutes every alert{reach}. {advice}")]
    if not telling:
        if all(m.says_nothing or m.matches_empty for m in matchers) and all(m.says_nothing for m in matchers):
            why = f"this silence would mute every alert{reach}"
        else:
            why = f"{_texts(matchers)} only says what is left out, so it would mute everything else{reach}"
        return [Refusal("matchers", f"{why}. {advice}")]
    if len(telling) < policy.min_matchers:
        says = f"{len(telling)} matchers narrow it down, the policy wants {policy.min_matchers}. {advice}"
        return [Refusal("min_matchers", says)]
    names = {m.name for m in telling}
    if names <= set(policy.never_alone):
        return [
            Refusal("never_alone", f"{_texts(telling)} alone reaches across services{reach}. Add another label to it.")
        ]
    return []


def _reach(matchers: Sequence[Matcher], firing: Sequence[Labels]) -> str:
    """`` (17 of 17, Watchdog among them)``; "" when nothing fires."""
    names = [labels.get("alertname", "") for labels in firing if matches_all(matchers, labels)]
    if not firing:
        return ""
    return f" ({len(names)} of {len(firing)}{', Watchdog among them' if 'Watchdog' in names else ''})"


def _form(policy: Policy, seconds: float, comment: str, ticket: str) -> list[Refusal]:
    found: list[Refusal] = []
    if seconds > policy.longest:
        says = f"{format_duration(seconds)} is longer than the policy's {format_duration(policy.longest)}"
        found.append(Refusal("max_duration", f"{says}. Take less and extend it when you need more."))
    if not comment.strip():
        found.append(Refusal("comment", "a silence needs a comment that says why. Give it with --comment."))
    elif len(comment) > policy.comment_max:
        found.append(
            Refusal(
                "comment_max", f"the comment is {len(comment)} characters long; {policy.comment_max} are the limit."
            )
        )
    if policy.ticket and not ticket:
        found.append(Refusal("ticket", "the policy wants a ticket. Give it with --ticket."))
    if ticket and policy.ticket_pattern and not _whole(policy.ticket_pattern, ticket):
        found.append(Refusal("ticket_pattern", f"the ticket {ticket!r} is not of the form {policy.ticket_pattern}."))
    return found


def _share(
    policy: Policy, matchers: Sequence[Matcher], firing: Sequence[Labels], complete: bool, allow_count: int | None
) -> list[Refusal]:
    muted = sum(1 for labels in firing if matches_all(matchers, labels))
    if allow_count is not None and muted <= allow_count:
        return []
    lift = f"--allow-count {muted}"
    if not complete:
        if muted <= policy.share * policy.share_from:
            return []  # however many fire, this is not more than the share
        says = f"it would mute {muted} firing alerts, and how many fire in all could not be read in time"
        return [Refusal("max_share", f"{says}. Narrow it, or admit the number with {lift}.", lift)]
    if len(firing) < policy.share_from or muted <= policy.share * len(firing):
        return []
    says = f"it would mute {muted} of {len(firing)} firing alerts ({muted / len(firing):.0%}, limit {policy.share:.0%})"
    return [Refusal("max_share", f"{says}. Narrow it, or admit the number with {lift}.", lift)]


def _protected(
    policy: Policy, matchers: Sequence[Matcher], firing: Sequence[Labels], allowed: Mapping[str, str]
) -> list[Refusal]:
    found: list[Refusal] = []
    for guard in policy.protected_matchers:
        muted = [labels for labels in firing if guard.matches(labels) and matches_all(matchers, labels)]
        example = {guard.name: guard.value} if guard.is_equal and not guard.is_regex else None
        aimed = example is not None and guard.name == "alertname" and matches_all(matchers, example)
        if not muted and not aimed:
            continue
        names = sorted({labels.get("alertname", "") for labels in muted} or {guard.value})
        open_ = [name for name in names if name not in allowed and guard.text() not in allowed]
        if open_:
            shown = ", ".join(open_[:5]) + (f" and {len(open_) - 5} more" if len(open_) > 5 else "")
            says = f"it would mute {shown}, which the policy protects ({guard.name}{guard.operator}{guard.value})"
            lift = " ".join(f'--allow {name}="why"' for name in open_[:5])
            found.append(Refusal("protected", f"{says}. Leave it out, or name it with its reason: {lift}.", lift))
    return found


def _texts(matchers: Sequence[Matcher]) -> str:
    return ", ".join(f"{m.name}{m.operator}{m.value or chr(34) * 2}" for m in matchers)


def _whole(pattern: str, text: str) -> bool:
    import re

    return re.fullmatch(pattern, text) is not None

"""kubernetes.history (K8-3): which rollouts there were, when, and what each changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Any, NamedTuple

from opsctl.durations import format_duration, parse_duration
from opsctl.errors import CouldNotLook
from opsctl.model import Change, Evidence, Seen, Value
from opsctl.probes.kubernetes_json import condition, moment, number, part, parts, text
from opsctl.probes.kubernetes_scope import Found, OfWorkload, Row, Scope, merged
from opsctl.probes.kubernetes_template import differences, images
from opsctl.probes.kubernetes_writers import writer_of
from opsctl.probes.look import Look
from opsctl.probes.registry import probe
from opsctl.probes.signal_objectives import Onset, onset

RECENT = "kubernetes.rollout-recent"
REVISION = "deployment.kubernetes.io/revision"
CAUSE = "kubernetes.io/change-cause"  # what somebody wrote down on purpose
SKEW = 5.0  # seconds that the cluster's clock may be ahead of ours
SHOWN = 5  # rollouts told as changes; the engine keeps those of the time it looks at


class History(OfWorkload, frozen=True, kw_only=True):
    """``within``: how long before the onset a rollout counts as recent; before now where the onset is not known."""

    within: str = "30m"


class Revision(NamedTuple):
    """One state of a workload's pod template. ``created``: when it was first rolled out."""

    number: int
    name: str
    created: datetime
    template: dict[str, Any]
    cause: str = ""


class Rollout(NamedTuple):
    """A change to ``revision``."""

    at: datetime
    says: str
    revision: Revision


@probe(
    "kubernetes.history",
    emits={RECENT: "a workload was rolled out a short time ago"},
    params=History,
    asks="the ReplicaSets of a Deployment, the ControllerRevisions of a StatefulSet or DaemonSet",
    privilege="get deployments.apps, list replicasets.apps (controllerrevisions.apps)",
    cost="one GET and one list per workload",
    minimum="apps/v1 (1.9)",
    changes=True,
)
def history(look: Look, params: History) -> Seen:
    """K8-3. The time is that of the ReplicaSet; after a rollback, which reuses an old one, that of the progress."""
    scope = Scope(look, params.workload)
    within = parse_duration(params.within)
    evidence: list[Evidence] = []
    rows: list[Row] = []
    changes: list[Change] = []
    told_of: list[tuple[Found, list[Revision], list[Rollout]]] = []
    for name, wanted in scope.wanted.items():
        try:
            for found in scope.find(wanted):
                path, kept = revisions(scope, found)
                told = rollouts(found, kept)
                done = [each for each in told if each.at.timestamp() <= look.now + SKEW]
                told_of.append((found, kept, told))
                evidence.append(scope.evidence(found.subject, path, values(kept), found.selector))
                changes += [
                    Change(at=each.at, system="kubernetes", subject=found.subject, says=each.says, source=scope.source)
                    for each in done[:SHOWN]
                ]
        except CouldNotLook as failure:
            lost, unknown = scope.lose(name, wanted, failure)
            evidence.append(lost)
            rows += unknown
    began = onset(look) if told_of else None
    rows += [judge(found, kept, told, look.now, within, began) for found, kept, told in told_of]
    finding = merged(RECENT, rows, threshold=within, unit="s", origin="within", worst=min)
    return Seen(evidence=tuple(evidence), findings=(finding,), changes=tuple(changes))


def revisions(scope: Scope, found: Found) -> tuple[str, list[Revision]]:
    """The path asked, and the revisions that are kept, newest first."""
    resource = "replicasets" if found.kind == "Deployment" else "controllerrevisions"
    path = scope.path("apps", "v1", resource)
    kept = kept_of(scope.list(path, found.selector).items, text(part(found.object, "metadata"), "uid"))
    return path, kept


def kept_of(items: Sequence[dict[str, Any]], owner: str) -> list[Revision]:
    """The revisions that belong to the object with that uid, newest first. Pure."""
    ours = [
        item for item in items if any(o.get("uid") == owner for o in parts(part(item, "metadata"), "ownerReferences"))
    ]
    kept = [revision for item in ours if (revision := _revision(item)) is not None]
    return sorted(kept, key=lambda each: -each.number)


def rollouts(found: Found, kept: Sequence[Revision]) -> list[Rollout]:
    """The changes from each revision to the next, newest first. ``kept``: newest first. Pure."""
    done = []
    for new, old in zip_longest(kept, kept[1:]):
        if old is None:
            says = "created (first revision)" if new.number <= 1 else f"revision {new.number}; none before it is kept"
            done.append(Rollout(new.created, says, new))
            continue
        what = ", ".join(differences(old.template, new.template)) or "no difference in the pod template"
        span = f"revision {old.number} -> {new.number}{_who(found, new, kept[0])}"
        if new.created >= old.created:
            done.append(Rollout(new.created, f"{what} ({span})", new))
            continue
        progress = moment(condition(found.object, "Progressing").get("lastUpdateTime"))
        if new is kept[0] and progress is not None:
            says = f"rolled back: {what} ({span}, the template of {new.created:%F %R} UTC)"
            done.append(Rollout(progress, says, new))
    return done


def _who(found: Found, revision: Revision, newest: Revision) -> str:
    """Who rolled out the newest revision, as far as the object still tells, and the reason that was noted."""
    writer = writer_of(found.object, "spec", "template") if revision is newest else None
    by = f", by {writer.name}" if writer is not None else ""
    return by + (f', "{revision.cause[:120]}"' if revision.cause else "")


def judge(
    found: Found,
    kept: Sequence[Revision],
    told: Sequence[Rollout],
    now: float,
    within: float,
    began: Onset | None = None,
) -> Row:
    """Whether the newest rollout before ``now`` is recent; with ``began``, the newest before the onset. Pure."""
    if kept and (not told or told[0].revision is not kept[0]):
        # A StatefulSet or DaemonSet that went back to an old revision: nothing keeps the time.
        return Row("unknown", f"{found.subject} was rolled back, at a time that is not kept", reason="no-data")
    done = [each for each in told if each.at.timestamp() <= now + SKEW]
    if not done:
        return Row("unknown", f"{found.subject}: no revision of that time is kept", reason="no-data")
    newest = done[0]
    age = max(0.0, now - newest.at.timestamp())
    says = f"{found.subject} was rolled out {format_duration(round(age))} ago"
    if began is None:
        return Row("breach" if age <= within else "ok", f"{says}: {newest.says}", measured=age, since=newest.at)
    before = [each for each in done if each.at.timestamp() <= began.at + began.step + SKEW]
    clock = f"{datetime.fromtimestamp(began.at, UTC):%H:%M:%S} UTC"
    if not before:
        return Row("ok", f"{says}, after the objective broke at {clock}: {newest.says}", since=newest.at)
    newest = before[0]
    gap = max(0.0, began.at - newest.at.timestamp())
    # what was broken already when its history begins did not begin soon after a rollout that lies in it
    soon = gap <= within and not (began.longer and gap > began.step + SKEW)
    says = f"{found.subject} was rolled out at {newest.at:%H:%M:%S} UTC: {newest.says}"
    first = "was broken before" if began.longer else f"broke {format_duration(round(gap))} later, at"
    return Row("breach" if soon else "ok", f"{says}; the objective {first} {clock}", measured=gap, since=newest.at)


def values(kept: Sequence[Revision]) -> list[Value]:
    """What is shown: the newest revisions with image and time."""
    return [
        Value(
            name=f"revision {each.number}", value=images(each.template), note=f"{each.name}, {each.created:%F %T} UTC"
        )
        for each in kept[:SHOWN]
    ]


def _revision(item: dict[str, Any]) -> Revision | None:
    meta = part(item, "metadata")
    created = moment(meta.get("creationTimestamp")) or datetime.fromtimestamp(0, UTC)
    if "data" in item or "revision" in item:  # a ControllerRevision
        revision, template = number(item, "revision", -1), part(item, "data", "spec", "template")
    else:
        noted = text(part(meta, "annotations"), REVISION)
        revision, template = (
            (int(noted) if noted.isdecimal() and len(noted) < 16 else -1),
            part(item, "spec", "template"),
        )
    cause = text(part(meta, "annotations"), CAUSE)
    return Revision(revision, text(meta, "name"), created, template, cause) if revision >= 0 else None

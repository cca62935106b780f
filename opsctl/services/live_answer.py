"""What follows from the signals that were looked at: which objectives can be judged, and what to paste."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence

from opsctl.services.live_bounds import blind_spots
from opsctl.services.live_model import ObjectiveCheck, SignalCheck
from opsctl.services.live_names import sure
from opsctl.services.live_sources import Catalogue, InPrometheus
from opsctl.services.model import Profile
from opsctl.signals.model import Objective


def judged(
    objective: Objective,
    profile: Profile,
    signals: Mapping[str, SignalCheck],
    edges: Mapping[str, tuple[float, ...]],
) -> ObjectiveCheck:
    """Whether an objective can be judged by its signal as it is. ``edges``: bucket edges by signal, raw unit."""
    found = signals.get(objective.signal)
    can: bool | None = True
    says = ""
    if found is None:
        can, says = False, f"the profile has no signal {objective.signal}"
    elif found.state == "unknown":
        can, says = None, "; ".join(found.problems)
    elif found.state in ("missing", "stale"):
        can, says = False, "; ".join(found.problems)
    elif found.state == "idle":
        says = "; ".join(found.problems)
    else:
        known = edges.get(objective.signal, ())
        blind = blind_spots(objective, profile.signals[objective.signal], known) if known else []
        never = [text for text in blind if "never" in text or "no bucket edge" in text]
        can, says = not never, "; ".join(never or [*blind, *found.problems])
    return ObjectiveCheck(
        objective=objective.id, runbook=objective.runbook, signal=objective.signal, judged=can, says=says
    )


def verdict(signals: Sequence[SignalCheck], objectives: Sequence[ObjectiveCheck]) -> tuple[int, str]:
    """Exit code and sentence: what cannot be judged, else what could not be told, else what is not as declared."""
    lost = [o for o in objectives if o.judged is False]
    blind = [o for o in objectives if o.judged is None]
    idle = {s.signal for s in signals if s.state == "idle"}
    odd = [s for s in signals if s.state not in ("ok", "idle")]
    fine = f"{len(objectives) - len(lost) - len(blind)} of {len(objectives)} objectives can be judged now"
    rest = f"; {len(odd)} of {len(signals)} signals are not as declared" if odd else ""
    if lost:
        return 2, fine + rest
    if blind or any(s.state == "unknown" for s in signals):
        return 3, fine + rest
    if odd or any(o.says and o.signal not in idle for o in objectives):
        return 1, fine + rest
    return 0, f"{fine}, and all signals are as declared"


def renames(signals: Sequence[SignalCheck]) -> dict[str, str]:
    """Names that are not there -> the one name that is probably meant."""
    found = {}
    for one in signals:
        for lost in one.lost:
            if (chosen := sure(lost.likely)) is not None:
                found[lost.metric] = chosen.metric
    return found


def fix(renames: Mapping[str, str], service: str, file: str, *, built_in: bool) -> str:
    """Shell lines that put the probable names into a profile of one's own, and look again."""
    if not renames:
        return ""
    own = f"~/.config/opsctl/runbooks/services/{service}.yaml"
    lines = []
    if built_in:
        lines += ["mkdir -p ~/.config/opsctl/runbooks/services", f"cp {shlex.quote(file)} {own}"]
    target = own if built_in else shlex.quote(file)
    for old, new in renames.items():
        pattern = rf"s/\b{old}(?=(?:_bucket|_sum|_count)?\b)/{new}/g"
        lines.append(f"perl -pi -e '{pattern}' {target}")
    return "\n".join([*lines, f"opsctl service lint {service} && opsctl service check {service}"])


def labels(profile: Profile, places: Sequence[Catalogue], signals: Sequence[SignalCheck]) -> str:
    """YAML for the context when the profile's own labels match nothing in this Prometheus, but others would."""
    place = places[0] if places else None
    if not isinstance(place, InPrometheus) or not profile.prometheus_labels:
        return ""
    if any(one.source == "prometheus" for one in signals):
        return ""
    metrics = [metric for one in signals for metric in one.metrics]
    for label in profile.prometheus_labels:
        values = place.values_of(label, metrics)
        if len(values) == 1:
            return f"services: {{{profile.service}: {{labels: {{{label}: {json.dumps(next(iter(values)))}}}}}}}"
    return ""

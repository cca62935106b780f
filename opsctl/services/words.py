"""Signals and bands in words: what a page about a service says of them."""

from __future__ import annotations

from opsctl.durations import format_quantity, parse_quantity
from opsctl.services.model import Profile
from opsctl.signals.model import Band, Ratio, Selector, Signal
from opsctl.signals.shape import kind_of, unit_for

Chosen = str | Selector | tuple[str | Selector, ...]


def signal_says(signal: Signal) -> str:
    """A declaration in words: ``quantile 0.99 of requests_seconds where endpoint!~/health, by endpoint``."""
    kind = kind_of(signal)
    if kind == "quantile":
        text = f"quantile {signal.quantile:g} of {signal.histogram}"
    elif kind == "share_above":
        text = f"share of {signal.histogram} above {signal.share_above:g}"
    elif kind == "ratio":
        assert isinstance(signal.ratio, Ratio)
        text = f"ratio of {_chosen(signal.ratio.of)} over {_chosen(signal.ratio.over)}"
    elif kind == "promql":
        text = f"promql {signal.promql}"
    else:
        text = f"{kind} of {_chosen(getattr(signal, kind))}"
    if signal.where:
        text += " where " + _matchers(signal.where)
    if signal.by:
        text += f", by {', '.join(signal.by)}"
    if signal.window:
        text += f", over {signal.window}"
    if signal.scale != 1:
        text += f", times {signal.scale:g}"
    return text


def band_says(band: Band, unit: str = "") -> str:
    """A band in words: ``> 50 ms to 100 ms for 10m``. ``unit``: base unit of its signal."""

    def number(bound: float | str) -> str:
        return format_quantity(parse_quantity(bound, unit), unit)

    text = ""
    if band.above is not None:
        text = f"> {number(band.above)}"
    elif band.at_least is not None:
        text = f">= {number(band.at_least)}"
    elif band.below is not None:
        text = f"< {number(band.below)}"
    for edge in (band.up_to, band.down_to):
        if edge is not None:
            text += f" to {number(edge)}"
    return text + (f" for {band.for_}" if band.for_ not in ("0s", "0") else "")


def unit_of_signal(profile: Profile, name: str) -> str:
    """The base unit of a signal's readings, "" for one that the profile does not declare."""
    signal = profile.signals.get(name)
    return "" if signal is None else unit_for(signal).base


def runbooks_of(profile: Profile) -> dict[str, list[str]]:
    """Runbook -> ids of the objectives and symptoms that the service binds to it, in the catalogue's order."""
    from opsctl.services.names import RUNBOOKS

    found: dict[str, list[str]] = {}
    bound = [(o.runbook, o.id) for o in profile.objectives] + [(s.runbook, s.id) for s in profile.symptoms]
    for runbook, id in bound:
        if runbook:
            found.setdefault(runbook, []).append(id)
    order = {name: number for number, name in enumerate(RUNBOOKS)}
    return dict(sorted(found.items(), key=lambda pair: (order.get(pair[0], len(order)), pair[0])))


def _chosen(chosen: Chosen) -> str:
    if isinstance(chosen, tuple):
        return "(" + " + ".join(_chosen(one) for one in chosen) + ")"
    if isinstance(chosen, Selector):
        return f"{chosen.metric} where {_matchers(chosen.where)}" if chosen.where else chosen.metric
    return chosen


def _matchers(where: dict[str, str]) -> str:
    parts = [f"{label}{value if value[:2] in ('=~', '!~', '!=') else f'={value}'}" for label, value in where.items()]
    return ", ".join(parts)

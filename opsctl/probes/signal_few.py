"""How many events stand behind a signal: a ratio of a handful says little, whatever it is."""

from __future__ import annotations

from opsctl.model import Finding, Seen
from opsctl.probes.look import Look
from opsctl.probes.registry import Params, probe
from opsctl.probes.signal_reading import evidence, read, title, unknown, unseen


class FewParams(Params, frozen=True, kw_only=True):
    """``signal``: a ratio or quantile. ``below``: events in its window below which it says little."""

    signal: str
    finding: str
    below: float = 200


@probe(
    "signal.few",
    params=FewParams,
    local=True,
    asks="one signal with the events behind it",
    cost="two queries, or two scrapes shared with all signals",
)
def few(look: Look, params: FewParams) -> Seen:
    """Breach when fewer events than that stand behind the signal's value in its window, none at all included."""
    reading = read(look, params.signal)
    if reading.unknown is not None and reading.unknown.reason == "too-few":
        says = f"{title(look, params.signal)}: {reading.unknown.says}"
        found = Finding(id=params.finding, state="breach", says=says, threshold=params.below, unit="count",
                        threshold_from="parameter below")  # fmt: skip
        return Seen(evidence=(evidence(look, reading),), findings=(found,))
    if (none := unseen(look, params.finding, [reading])) is not None:
        return none
    seen = (evidence(look, reading),)
    if all(row.count is None for row in reading.rows):
        says = f"{params.signal} does not tell how many events it is made of"
        return Seen(evidence=seen, findings=(unknown(params.finding, "unsupported", says),))
    counted = sum(row.count or 0.0 for row in reading.rows)
    holds = counted < params.below
    says = (
        f"{title(look, params.signal)} is made of {counted:,.0f} events in {reading.window}, "
        f"{'fewer' if holds else 'not fewer'} than {params.below:g}"
    )
    found = Finding(
        id=params.finding,
        state="breach" if holds else "ok",
        says=says,
        measured=counted,
        threshold=params.below,
        unit="count",
        threshold_from="parameter below",
    )
    return Seen(evidence=seen, findings=(found,))

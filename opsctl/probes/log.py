"""Lines of the service's own log, on this host or from its pods, that match a pattern, within a window."""

from __future__ import annotations

import re

from opsctl.clients.logline import LEVELS
from opsctl.durations import format_duration, format_quantity, parse_quantity
from opsctl.model import Finding, Seen
from opsctl.probes.log_count import Counted, count_lines, evidence_of, unread
from opsctl.probes.look import Look
from opsctl.probes.quantities import judged
from opsctl.probes.registry import Params, probe


class LinesParams(Params, frozen=True, kw_only=True):
    """``log``: a log of the profile. ``pattern``, or several under names in ``patterns`` (regular expressions).

    ``level``: only lines of this level or worse are looked at ("" = all). ``within``: the window before now ("" = the
    service's own, so that a log and the signals beside it tell about the same time).
    The finding holds when more than ``above`` lines match, or, with ``share_above``, when more than this part of the
    lines looked at match; ``level`` is then "error" unless given, and fewer than ``min`` such lines are too few.
    """

    log: str
    finding: str
    pattern: str = ""
    patterns: dict[str, str] = {}
    level: str = ""
    within: str | float = ""
    above: int = 0
    share_above: str | float | None = None
    min: int = 3

    def __post_init__(self) -> None:
        if self.within != "" and parse_quantity(self.within, "s") <= 0:
            raise ValueError("within must be more than nothing")
        if not self.pattern and not self.patterns:
            raise ValueError("pattern or patterns is needed")
        if self.level and self.level not in LEVELS:
            raise ValueError(f"level is one of {', '.join(LEVELS)}")
        for text in (self.pattern, *self.patterns.values()):
            try:
                re.compile(text)
            except re.error as error:
                raise ValueError(f"the pattern {text} is not a regular expression: {error}") from None
        if self.share_above is not None:
            parse_quantity(self.share_above, "ratio")


@probe(
    "log.lines",
    params=LinesParams,
    local=True,
    asks="the window's lines of a log file on this host (rotated and gzipped ones with it), or of a workload's pods",
    privilege="read permission on the file; get pods/log and list pods for a workload's",
    cost="finds the window by seeking; reads at most 32 MiB of it, the newest; of containers five, 2 MiB each",
)
def lines(look: Look, params: LinesParams) -> Seen:
    """Count matching lines of the window; samples are redacted and shortened."""
    within = parse_quantity(look.profile.window if params.within == "" else params.within, "s")
    level = params.level or ("error" if params.share_above is not None else "")
    named = {**({"match": params.pattern} if params.pattern else {}), **params.patterns}
    counted = count_lines(look, params.log, named, within, level)
    query = params.pattern or ", ".join(f"{name}: {text}" for name, text in params.patterns.items())
    return Seen(evidence=(evidence_of(counted, params.log, query),), findings=(_judged(params, counted, level),))


def _judged(params: LinesParams, counted: Counted, level: str) -> Finding:
    kind = f"{level} lines" if level else "lines"
    window = format_duration(counted.within)
    matched, looked_at, complete = counted.matched, counted.looked_at, counted.log.complete
    if params.share_above is not None:
        bound = parse_quantity(params.share_above, "ratio")
        share = matched / looked_at if looked_at else 0.0
        says = f"{matched} of {looked_at} {kind} in {window} match" + (
            f" ({format_quantity(share, 'ratio', beside=bound)}, bound {format_quantity(bound, 'ratio')})"
            if looked_at
            else ""
        )
        if 0 < looked_at < params.min and matched:
            return Finding(id=params.finding, state="unknown", says=f"{says}: too few to judge", reason="too-few")
        if not complete:
            says += f"; {unread(counted)}"
        return judged(
            params.finding,
            share > bound,
            says,
            measured=share,
            threshold=bound,
            unit="ratio",
            parameter="share_above",
        )
    says = f"{matched} {kind} in {window} match, bound {params.above}"
    if not complete:
        read = format_duration(round(counted.seconds))
        says = f"{matched} {kind} in the last {read} of {window} match, bound {params.above}"
        if matched <= params.above:
            says += f"; {unread(counted)}"
            return Finding(id=params.finding, state="unknown", says=says, reason="too-large")
    return judged(
        params.finding,
        matched > params.above,
        says,
        measured=float(matched),
        threshold=float(params.above),
        unit="count",
        parameter="above",
    )


from opsctl.probes import log_keys  # noqa: E402, F401 - it registers itself

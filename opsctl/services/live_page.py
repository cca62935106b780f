"""A service check as a page: which objectives can be judged now, what is not as declared, what it is really called."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable

from opsctl.durations import format_duration
from opsctl.redact import printable, redact
from opsctl.services.live_model import Checked, SignalCheck
from opsctl.services.live_names import sure
from opsctl.services.names import RUNBOOKS

Heading = Callable[[str], str]
_MARK = {True: " ", False: "!", None: "?"}


def page(found: Checked, *, width: int = 80, heading: Heading = str, verbose: bool = False) -> str:
    """The page; longer lines than ``width`` are wrapped, lines to paste are not."""
    where = f"context {found.context}" if found.context else "no context"
    lines = [f"{heading(found.service)}  {found.says}", f"{where}; asked: {', '.join(found.sources) or 'nobody'}"]
    lines = [part for line in lines for part in _wrap(line, width)]
    lines += [part for note in found.notes for part in _wrap(f"! {note}", width, hanging="  ")]
    lines += ["", heading("Objectives by runbook")]
    order = {name: number for number, name in enumerate(RUNBOOKS)}
    names = dict.fromkeys(o.runbook for o in found.objectives)
    for runbook in sorted(names, key=lambda name: (order.get(name, len(order)), name)):
        mine = [o for o in found.objectives if o.runbook == runbook]
        good = [o.objective for o in mine if o.judged and not o.says]
        title = runbook or "(no runbook)"
        if good:
            lines += _wrap(f"    {title}: {', '.join(good)}", width, hanging="      ")
        for one in mine:
            if not one.judged or one.says:
                says = one.says or "cannot be judged"
                lines += _wrap(f"  {_mark(one.judged)} {title}: {one.objective}: {says}", width, hanging="      ")
    odd = [signal for signal in found.signals if signal.state not in ("ok", "idle")]
    idle = [signal for signal in found.signals if signal.state == "idle"]
    if idle:
        lines += ["", heading("Signals of which nothing was counted yet")]
        lines += _wrap("    " + ", ".join(one.signal for one in idle), width, hanging="    ")
    if odd:
        lines += ["", heading("Signals that are not as declared")]
        for signal in odd:
            lines += _signal(signal, width)
    fine = [signal for signal in found.signals if signal.state == "ok"]
    if fine:
        lines += ["", heading("Signals that are as declared")]
        if verbose:
            lines += [part for one in fine for part in _wrap("    " + _size(one), width, hanging="      ")]
        else:
            lines += _wrap("    " + ", ".join(one.signal for one in fine), width, hanging="    ")
    text = redact(printable("\n".join(lines)))
    if found.labels:
        text += (
            "\n\nIts labels match nothing. In opsctl.yaml, in the context, the label that is there:\n\n" + found.labels
        )
    if found.fix:
        text += "\n\nTo use the probable names, in a shell:\n\n" + found.fix
    return text + "\n"


def _mark(judged: bool | None) -> str:
    return _MARK[judged]


def _signal(signal: SignalCheck, width: int) -> list[str]:
    assumed = " (its name is an assumption of the profile)" if signal.assumed else ""
    mark = "?" if signal.state == "unknown" else "!" if signal.state in ("missing", "stale") else " "
    lines = _wrap(f"  {mark} {signal.signal}: {signal.state}{assumed}", width, hanging="      ")
    for problem in signal.problems:
        lines += _wrap(f"      {problem}", width, hanging="        ")
    for lost in signal.lost:
        for number, found in enumerate(lost.likely):
            lead = "or" if number else "probably" if sure(lost.likely) else "perhaps"
            text = f"        {lead} {found.metric}: {found.why} (likeness {found.score:.2f})"
            lines += _wrap(text, width, hanging="          ")
    return lines


def _size(signal: SignalCheck) -> str:
    age = f", {format_duration(round(signal.age, 1))} old" if signal.age is not None else ""
    names = ", ".join(re.sub(r"_bucket$", "", name) for name in signal.metrics)
    return f"{signal.signal}: {signal.series} series{age} ({names or signal.source})"


def _wrap(text: str, width: int, hanging: str = "") -> list[str]:
    return textwrap.wrap(text, width, subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False) or [""]

"""Evidence and checks as HTML: what a probe saw, folded away, each shown once and within the page's size."""

from __future__ import annotations

from collections.abc import Iterable

from opsctl.durations import format_quantity
from opsctl.model import Evidence, Finding, Value
from opsctl.report.html_text import Html, joined, shortened, tag
from opsctl.report.outline import clock

_ROWS = 40  # values of one evidence
_TEXT = 600  # characters of one value
_STATE = {"ok": "✓ ok", "breach": "✕ breach", "unknown": "? unknown"}
_TONE = {"ok": "ok", "breach": "breach", "unknown": "unknown"}


class Folder:
    """Shows each evidence once, as long as there is room; ``room`` is in characters of HTML."""

    def __init__(self, evidence: Iterable[Evidence], *, room: int) -> None:
        self._all = {e.id: e for e in evidence}
        self._shown: set[str] = set()
        self._room = room
        self.left_out = 0

    def folded(self, title: str, ids: Iterable[str]) -> Html:
        """The evidence of those ids behind a summary; what was shown before is only named."""
        blocks: list[Html] = []
        before: list[Html] = []
        for id in dict.fromkeys(ids):
            if id in self._shown:
                before.append(tag("a", id, href=f"#{id}"))
            elif id in self._all:
                blocks.append(self._block(id))
        if before:
            linked = joined(*(joined(", " if n else "", link) for n, link in enumerate(before)))
            blocks.append(tag("p", "Shown with an earlier cause: ", linked, class_="soft"))
        return tag("details", tag("summary", title), *blocks) if blocks else Html("")

    def rest(self) -> Html:
        """All evidence that no cause has shown."""
        ids = [id for id in self._all if id not in self._shown]
        return self.folded(f"What else was seen ({len(ids)})", ids)

    def _block(self, id: str) -> Html:
        self._shown.add(id)
        block = _evidence(self._all[id])
        if len(block) > self._room:
            self.left_out += 1
            return tag(
                "p",
                f"{id} {shortened(self._all[id].subject, 200)}: left out here, it is in the JSON report.",
                class_="soft",
            )
        self._room -= len(block)
        return block


def _evidence(one: Evidence) -> Html:
    facts = [
        one.probe,
        one.source,
        f"from {one.setting}" if one.setting else "",
        f"window {one.window}" if one.window else "",
        f"sampled {clock(one.sampled_at, full=True)}" if one.sampled_at is not None else "",
        f"took {format_quantity(one.seconds, 's')}" if one.seconds else "",
    ]
    return tag(
        "div",
        tag("h4", f"{one.id} {shortened(one.subject, 300)}"),
        tag("p", shortened("; ".join(filter(None, facts)), 900), class_="soft"),
        tag("p", f"Could not look: {shortened(one.unknown.says)}") if one.unknown is not None else Html(""),
        tag("pre", shortened(one.query), tabindex="0") if one.query else Html(""),
        _values(one.values),
        class_="seen",
        id=one.id,
    )


def _values(values: tuple[Value, ...]) -> Html:
    lines = [tag("pre", shortened(str(v.value), _TEXT)) for v in values[:_ROWS] if v.name == "line"]
    rows = [_row(v) for v in values[:_ROWS] if v.name != "line"]
    table = tag("table", tag("tbody", *rows), class_="rows") if rows else Html("")
    left = len(values) - _ROWS
    return joined(table, *lines, tag("p", f"and {left} more values", class_="soft") if left > 0 else Html(""))


def _row(value: Value) -> Html:
    if isinstance(value.value, bool) or value.value is None or isinstance(value.value, str):
        shown = "none" if value.value is None else str(value.value)
    else:
        shown = format_quantity(float(value.value), value.unit, at_least=value.at_least)
    labels = ", ".join(f"{name}={text}" for name, text in value.labels.items())
    about = "; ".join(filter(None, (labels, value.note)))
    detail = tag("span", f"  {shortened(about, _TEXT)}", class_="soft") if about else Html("")
    return tag("tr", tag("td", shortened(value.name, 120)), tag("td", shortened(shown, _TEXT), detail))


def checks(findings: Iterable[Finding]) -> Html:
    """Every finding with its state, those in breach first, folded."""
    order = {"breach": 0, "unknown": 1, "ok": 2}
    rows = sorted(findings, key=lambda f: order[f.state])
    if not rows:
        return Html("")
    counts = {state: sum(f.state == state for f in rows) for state in order}
    words = [f"{counts['breach']} in breach", f"{counts['ok']} ok", f"{counts['unknown']} unknown"]
    head = tag("thead", tag("tr", *(tag("th", text, scope="col") for text in ("Check", "State", "What it says"))))
    body = [
        tag(
            "tr",
            tag("td", tag("code", f.id)),
            tag("td", tag("span", _STATE[f.state], class_=f"state {_TONE[f.state]}")),
            tag("td", shortened(f.says, 500)),
        )
        for f in rows[:400]
    ]
    summary = tag("summary", f"All {len(rows)} checks: {', '.join(words)}")
    return tag("details", summary, tag("table", head, tag("tbody", *body), class_="checks"))

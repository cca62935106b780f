"""A metrics page (Prometheus text format or OpenMetrics), read only where a wanted metric is.

The page stays one block of bytes; a search jumps to the wanted names, and a regular expression takes the lines from
there. A page of 50 MB is thus read in parts of a second, and memory stays at the size of the page. Lines that cannot
be read are skipped and counted. Formats: prometheus.io "Exposition formats", OpenMetrics 1.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_LABELS = rb'[ \t]*+(?:[a-zA-Z_][a-zA-Z0-9_]*+[ \t]*+=[ \t]*+"(?:[^"\\\n]++|\\.)*+"[ \t]*+(?:,[ \t]*+|(?=\})))*+'
_REST = (
    rb"(?:[ \t]*+\{(" + _LABELS + rb")\}|(?=[ \t]))[ \t]*+([^ \t\r\n]++)(?:[ \t]++([0-9.eE+-]++))?"
    rb"(?=[ \t]*+(?:\r?\n|\r?\Z|#))"
)
_AFTER_NAME = (b"{", b" ", b"\t")
_PIECE = 2**18
_ONE_LABEL = re.compile(rb'([a-zA-Z_][a-zA-Z0-9_]*+)[ \t]*+=[ \t]*+"((?:[^"\\\n]++|\\.)*+)"')
_ESCAPED = re.compile(r"\\(.)")
_TYPE = re.compile(rb"\n#[ \t]+TYPE[ \t]+([a-zA-Z_:][a-zA-Z0-9_:]*)[ \t]+([a-z]+)")


Sample = tuple[bytes, float, bytes]
"""One line: its labels as they are written, the value, its own timestamp as written (b"" for none)."""


class NotMetrics(ValueError):
    """The page is something else, or was cut off; the text says what."""


class Page:
    """One scrape. ``time``: unix seconds when it was taken; ``skipped``: lines per metric that could not be read."""

    def __init__(self, body: bytes, *, time: float = 0.0, content_type: str = "") -> None:
        """Raises NotMetrics for a page that is not in a text format, or is an OpenMetrics page without its end."""
        start = body[:512].lstrip()[:1]
        kind = content_type.partition(";")[0].strip().lower()
        if "protobuf" in kind or body[:1] in (b"\x1f", b"\x0a\x00") or b"\0" in body[:512]:
            raise NotMetrics("the page is binary, not Prometheus' text format")
        if start in (b"<", b"{", b"["):
            what = "HTML" if start == b"<" else "JSON"
            raise NotMetrics(f"the page is {what}, not metrics")
        if not start:
            raise NotMetrics("the page is empty")
        tail = body[-64:].rstrip()
        self.open_metrics = kind == "application/openmetrics-text" or tail.endswith(b"\n# EOF")
        if self.open_metrics and not tail.endswith(b"# EOF"):
            raise NotMetrics("the page ends without # EOF: it was cut off")
        # A sample on the first line, or with blanks in front, would not follow "\n": make it.
        if start != b"#":
            body = b"\n" + body
        if body.find(b"\n ") >= 0 or body.find(b"\n\t") >= 0:
            body = re.sub(rb"\n[ \t]+", b"\n", body)
        self.body = body
        self.time = time
        self.skipped: dict[str, int] = {}

    def has(self, metric: str) -> bool:
        """Whether a line of exactly this metric is there."""
        name = b"\n" + metric.encode()
        return any(self.body.find(name + mark) >= 0 for mark in (b"{", b" ", b"\t"))

    def type_of(self, metric: str) -> str:
        """The type that ``# TYPE`` declares for a metric family, or ""."""
        for found in _TYPE.finditer(self.body):
            if found[1] == metric.encode():
                return found[2].decode()
        return ""

    def samples(self, metric: str) -> Iterator[Sample]:
        """The lines of one metric name (exactly this name), in the page's order. Counts what it skips."""
        name = b"\n" + metric.encode()
        body = self.body
        starts = [at for mark in _AFTER_NAME if (at := body.find(name + mark)) >= 0]
        self.skipped[metric] = 0
        if not starts:
            return
        line = re.compile(name + _REST)
        good = 0
        at = begin = min(starts)
        while at >= 0:
            # In pieces that end at a line's end: one call per piece is far cheaper than one per line.
            end = body.find(b"\n", at + _PIECE)
            for labels, value, stamp in line.findall(body, at, end if end >= 0 else len(body)):
                try:
                    number = float(value)
                except ValueError:
                    continue
                if b"_" in value:  # Python reads 1_000 as a number, the formats do not
                    continue
                good += 1
                yield labels, number, stamp
            at = end
        self.skipped[metric] = sum(body.count(name + mark, begin) for mark in _AFTER_NAME) - good

    def seconds(self, stamp: bytes) -> float | None:
        """A line's own timestamp as unix seconds: the text format has milliseconds, OpenMetrics seconds."""
        try:
            return float(stamp) / (1.0 if self.open_metrics else 1000.0)
        except ValueError:
            return None


class Picker:
    """Takes a few labels out of the written form of many label sets, as they are written (still escaped)."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = tuple(name.encode() for name in names)
        self._find = [re.compile(rb'(?:^|,)[ \t]*' + name + rb'="([^"\\]*)"') for name in self.names]

    def __call__(self, raw: bytes) -> tuple[bytes, ...]:
        """One value per name, b"" where the label is absent."""
        if len(self._find) <= 3 and b"\\" not in raw:
            picked = []
            for find in self._find:
                found = find.search(raw)
                if found is None:
                    if b"=" in raw and found is None and _spaced(raw):
                        break
                    picked.append(b"")
                elif raw.count(b'"', 0, found.start()) & 1:
                    break  # it looked like the label, inside another label's value
                else:
                    picked.append(found[1])
            else:
                return tuple(picked)
        every = dict(_ONE_LABEL.findall(raw))
        return tuple(every.get(name, b"") for name in self.names)


def labels_of(raw: bytes) -> dict[str, str]:
    """A line's labels, unescaped."""
    return {name.decode(): unescaped(value) for name, value in _ONE_LABEL.findall(raw)}


def unescaped(value: bytes) -> str:
    """A label value without its escapes."""
    text = value.decode("utf-8", "replace")
    return _ESCAPED.sub(_unescape, text) if "\\" in text else text


def _unescape(found: re.Match[str]) -> str:
    mark = found[1]
    return "\n" if mark == "n" else mark if mark in '\\"' else "\\" + mark


def pairs(first: Page, second: Page, metric: str) -> Iterator[tuple[Sample | None, Sample]]:
    """Each series of the second page with its sample in the first, None when it was born between them.

    Both pages nearly always list the same series in the same order, so they are read side by side and only what is
    out of step is kept; a page of half a million series costs no memory of its own.
    """
    waiting: dict[bytes, Sample] = {}  # read in the first page, not yet met in the second
    late: dict[bytes, Sample] = {}  # read in the second page, not yet met in the first
    earlier = first.samples(metric)
    for after in second.samples(metric):
        before = next(earlier, None)
        if before is not None:
            if before[0] == after[0]:
                yield before, after
                continue
            if before[0] in late:
                yield before, late.pop(before[0])
            else:
                waiting[before[0]] = before
        if after[0] in waiting:
            yield waiting.pop(after[0]), after
        else:
            late[after[0]] = after
    for before in earlier:
        if before[0] in late:
            yield before, late.pop(before[0])
        else:
            waiting[before[0]] = before
    # What is left over was born, has gone, or is written with its labels in another order.
    same = {frozenset(labels_of(raw).items()): sample for raw, sample in waiting.items()} if waiting and late else {}
    for raw, after in late.items():
        yield (same.get(frozenset(labels_of(raw).items())) if same else None), after

"""A metrics page (Prometheus text format or OpenMetrics), read only where a wanted metric is.

The page stays one block of bytes; a search jumps to the wanted names, and a regular expression takes the lines from
there. A page of 50 MB is thus read in parts of a second, and memory stays at the size of the page. Lines that cannot
be read are skipped and counted. Formats: prometheus.io "Exposition formats", OpenMetrics 1.0.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from itertools import repeat

# Groups are not repeated possessively: Python 3.11.2, which Debian 12 has, then matches what it should not.
_QUOTED = rb'"[^"\\\n]*+(?:\\.[^"\\\n]*+)*"'
_NAME = rb"[a-zA-Z_][a-zA-Z0-9_]*+"
_ALL_LABELS = re.compile(rb"[ \t]*+(?:" + _NAME + rb"[ \t]*+=[ \t]*+" + _QUOTED + rb"[ \t]*+(?:,[ \t]*+|\Z))*")
_ONE_LABEL = re.compile(rb"(" + _NAME + rb')[ \t]*+=[ \t]*+"([^"\\\n]*+(?:\\.[^"\\\n]*+)*)"')
# Labels and what follows them. The exact form steps over quoted values, so that an exemplar's labels stay apart.
_SHORT = rb"(?:[ \t]*+\{([^\n]*)\}|(?=[ \t]))[ \t]*+([^\n]*+)"
_EXACT = rb'(?:[ \t]*+\{([^"\n}]*+(?:' + _QUOTED + rb'[^"\n}]*+)*)\}|(?=[ \t]))[ \t]*+([^\n]*+)'
_PIECE = 2**18
MOST_KNOWN = 200_000
_EOF = re.compile(rb"(?:^|\n)# EOF[ \t\r]*(?=\n|\Z)")
_ESCAPED = re.compile(r"\\(.)")
_TYPE = re.compile(rb"\n#[ \t]+TYPE[ \t]+([a-zA-Z_:][a-zA-Z0-9_:]*)[ \t]+([a-z]+)")


Sample = tuple[bytes, float, bytes]
"""One line: its labels as they are written, the value, its own timestamp as written (b"" for none)."""


class NotMetrics(ValueError):
    """The page is something else, or was cut off; the text says what."""


class Page:
    """One scrape. ``time``: unix seconds when it was taken; ``skipped``: lines per metric that could not be read;
    ``twice``: lines per metric that repeat a series."""

    def __init__(self, body: bytes, *, time: float = 0.0, content_type: str = "") -> None:
        """Raises NotMetrics for a page that is not in a text format, or is an OpenMetrics page without its end."""
        body = body.removeprefix(b"\xef\xbb\xbf")
        start = body[:512].lstrip()[:1]
        kind = content_type.partition(";")[0].strip().lower()
        if "protobuf" in kind:
            raise NotMetrics("the page is in Prometheus' protobuf format; opsctl reads text: let the server offer it")
        if body.startswith(b"\x1f\x8b"):
            raise NotMetrics("the page is gzip, which its server does not say (Content-Encoding is missing)")
        if b"\0" in body[:512]:
            raise NotMetrics("the page is binary, not Prometheus' text format")
        if start in (b"<", b"{", b"["):
            what = "HTML" if start == b"<" else "JSON"
            raise NotMetrics(f"the page is {what}, not metrics")
        if not start:
            raise NotMetrics("the page is empty")
        tail = body[-64:].rstrip()
        self.open_metrics = kind == "application/openmetrics-text" or tail.endswith(b"\n# EOF")
        self._after_end = 0
        if self.open_metrics and (end := _EOF.search(body)) is None:
            raise NotMetrics("the page ends without # EOF: it was cut off")
        if self.open_metrics and end is not None and (rest := body[end.end() :].strip()):
            # What follows the end is not the page's: another page behind it, or an old one's rest.
            self._after_end = rest.count(b"\n") + 1
            body = body[: end.end()]
        # A sample on the first line, or with blanks in front, would not follow "\n": make it.
        if start != b"#":
            body = b"\n" + body
        if body.find(b"\n ") >= 0 or body.find(b"\n\t") >= 0:
            body = re.sub(rb"\n[ \t]+", b"\n", body)
        self.body = body
        self._after_name = (b"{", b" ", b"\t") if body.find(b"\t") >= 0 else (b"{", b" ")
        self.exemplars = body.find(b" # {") >= 0
        self.time = time
        self.skipped: dict[str, int] = {}
        self.twice: dict[str, int] = {}

    def notes(self, metrics: Collection[str] | None = None) -> tuple[str, ...]:
        """What was wrong with the page, as far as it was read (of these metrics only): a sentence each."""
        said = [f"{_count(self._after_end)} after # EOF were not read"] if self._after_end and metrics is None else []
        for metric, count in self.skipped.items():
            if count and (metrics is None or metric in metrics):
                native = " (a native histogram, which only Prometheus can read)" if self.is_native(metric) else ""
                said.append(f"{_count(count)} of {metric} could not be read{native}")
        for metric, count in self.twice.items():
            if count and (metrics is None or metric in metrics):
                said.append(f"{_count(count)} of {metric} repeat a series, whose first line counts")
        return tuple(said)

    def is_native(self, metric: str) -> bool:
        """Whether the metric has a value that is a native histogram ({count:…,sum:…,schema:…})."""
        value = re.compile(rb"\n" + metric.encode() + rb"(?:\{[^\n]*\})?[ \t]*+\{(?:count|sum|schema):")
        return value.search(self.body) is not None

    def has(self, metric: str) -> bool:
        """Whether a line of exactly this metric is there."""
        name = b"\n" + metric.encode()
        return any(self.body.find(name + mark) >= 0 for mark in self._after_name)

    def type_of(self, metric: str) -> str:
        """The type that ``# TYPE`` declares for a metric family, or ""."""
        for found in _TYPE.finditer(self.body):
            if found[1] == metric.encode():
                return found[2].decode()
        return ""

    def samples(self, metric: str, *, once: bool = False) -> Iterator[Sample]:
        """The lines of one metric name (exactly this name), in the page's order; bad lines are left out."""
        crooked = 0
        for line in self.lines(metric, once=once):
            if well_formed(line[0]):
                yield line
            else:
                crooked += 1
        self.skipped[metric] = self.skipped.get(metric, 0) + crooked

    def lines(self, metric: str, *, once: bool = False) -> Iterator[Sample]:
        """As ``samples``, but the labels' form is for the caller to check (``well_formed``). Counts unread lines.

        ``once``: of a series that is there twice only the first line is given, as Prometheus does; the others are
        counted (among the first MOST_KNOWN series of the metric).
        """
        name = b"\n" + metric.encode()
        body = self.body
        starts = {mark: at for mark in self._after_name if (at := body.find(name + mark)) >= 0}
        if not starts:
            return
        good = twice = 0
        known: set[int] = set()  # hashes: the labels themselves would cost the size of the page once more
        at = begin = min(starts.values())
        # Without exemplars the last "}" of a line ends its labels, and the short expression is enough.
        line = re.compile(name + (_EXACT if self.exemplars else _SHORT))
        while at >= 0:
            # In pieces that end at a line's end: one call per piece is far cheaper than one per line.
            end = body.find(b"\n", at + _PIECE)
            found = line.findall(body, at, end if end >= 0 else len(body))
            at = end
            if not found:
                continue
            if once and len(known) < MOST_KNOWN:
                fresh = {hash(labels) for labels, _ in found}
                if len(fresh) < len(found) or not fresh.isdisjoint(known):
                    count = len(found)
                    found = _firsts(found, known)
                    twice += count - len(found)
                known |= fresh
                if not found:
                    continue
            labels, rests = zip(*found, strict=True)
            if values := _plain(rests):
                good += len(values)
                yield from zip(labels, values, repeat(b""))
                continue
            for label, rest in found:
                if (read := _value(rest)) is not None:
                    good += 1
                    yield label, *read
        self.skipped[metric] = max(0, sum(body.count(name + mark, begin) for mark in starts) - good - twice)
        if once:
            self.twice[metric] = twice

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
        self._marks = tuple(b"," + name + b'="' for name in self.names)

    def __call__(self, raw: bytes) -> tuple[bytes, ...]:
        """One value per name, b"" where the label is absent."""
        picked = []
        for mark in self._marks:
            at = raw.find(mark)
            start = at + len(mark)
            if at < 0:
                if not raw.startswith(mark[1:]):  # the first label has no comma in front
                    break  # absent, or written with blanks
                start = len(mark) - 1
            elif b"\\" in raw or raw.count(b'"', 0, at) & 1:
                break  # it may only look like the label, inside another label's value
            value = raw[start : raw.find(b'"', start)]
            if b"\\" in value:
                break
            picked.append(value)
        else:
            return tuple(picked)
        every = dict(_ONE_LABEL.findall(raw))
        return tuple(every.get(name, b"") for name in self.names)


def _plain(rests: tuple[bytes, ...]) -> list[float]:
    """The values, when behind the labels there is nothing but a number on every line; else []."""
    try:
        # Python reads 1_000 as a number, the formats do not
        return [] if b"_" in b" ".join(rests) else list(map(float, rests))
    except ValueError:
        return []


def _value(rest: bytes) -> tuple[float, bytes] | None:
    """Value and timestamp of what follows the labels; None for a line that cannot be read."""
    parts = rest.partition(b"#")[0].split()
    try:
        if 1 <= len(parts) <= 2 and b"_" not in rest.partition(b"#")[0]:
            float(parts[-1])
            return float(parts[0]), parts[1] if len(parts) > 1 else b""
    except ValueError:
        pass
    return None


def well_formed(labels: bytes) -> bool:
    """Whether labels are written as the format wants. Cheap in the common case: quotes open after "=" or close."""
    if not labels:
        return True
    if b"\\" not in labels and labels.endswith(b'"'):
        count = labels.count(b'="')
        if count * 2 == labels.count(b'"') and count == labels.count(b'",') + 1:
            return True
    return _ALL_LABELS.fullmatch(labels) is not None


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


def _count(lines: int) -> str:
    return "1 line" if lines == 1 else f"{lines:,} lines"


def _firsts(found: list[tuple[bytes, bytes]], known: set[int]) -> list[tuple[bytes, bytes]]:
    """The lines whose labels were not there before."""
    seen = set(known)
    kept = []
    for line in found:
        if (mark := hash(line[0])) not in seen:
            seen.add(mark)
            kept.append(line)
    return kept


def pairs(first: Page, second: Page, metric: str) -> Iterator[tuple[Sample | None, Sample]]:
    """Each series of the second page with its sample in the first, None when it was born between them.

    Both pages nearly always list the same series in the same order, so they are read side by side and only what is
    out of step is kept; a page of half a million series costs no memory of its own.
    """
    waiting: dict[bytes, Sample] = {}  # read in the first page, not yet met in the second
    late: dict[bytes, Sample] = {}  # read in the second page, not yet met in the first
    earlier = first.lines(metric)
    crooked = 0
    for after in second.lines(metric, once=True):
        before = next(earlier, None)
        if not well_formed(after[0]):
            crooked += 1
            continue
        if before is not None:
            if before[0] == after[0]:
                yield before, after
                continue
            if before[0] in late:
                yield before, late.pop(before[0])
            else:
                waiting.setdefault(before[0], before)
        if after[0] in waiting:
            yield waiting.pop(after[0]), after
        else:
            late[after[0]] = after
    for before in earlier:
        if before[0] in late:
            yield before, late.pop(before[0])
        else:
            waiting.setdefault(before[0], before)
    if crooked:
        second.skipped[metric] = second.skipped.get(metric, 0) + crooked
    # What is left over was born, has gone, or is written with its labels in another order.
    same = {frozenset(labels_of(raw).items()): sample for raw, sample in waiting.items()} if waiting and late else {}
    for raw, after in late.items():
        yield (same.get(frozenset(labels_of(raw).items())) if same else None), after

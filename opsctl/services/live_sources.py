"""Where the facts about metrics come from: Prometheus, or the service's own metrics page."""

from __future__ import annotations

import json
import math
import re
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from opsctl.clients.http import HttpReader
from opsctl.clients.prometheus import PrometheusReader
from opsctl.config.endpoint import Endpoint
from opsctl.errors import CouldNotLook
from opsctl.services.live_model import Facts
from opsctl.services.live_parts import family, shown
from opsctl.signals.exposition import NotMetrics, Page, labels_of, well_formed
from opsctl.signals.shape import Matcher, Source, matchers_of

NO_LABEL = "no such label"  # of a matcher that fails because of it
_CLASSIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_NAME = re.compile(rb"\n([a-zA-Z_:][a-zA-Z0-9_:]*)[{ \t]")
_TYPES = re.compile(rb"\n#[ \t]+TYPE[ \t]+([a-zA-Z_:][a-zA-Z0-9_:]*)[ \t]+([a-z]+)")


class Catalogue(Protocol):
    """A place where metrics are. All methods raise CouldNotLook."""

    name: str  # prometheus, page
    source: str  # as evidence writes it

    def names(self) -> frozenset[str]:
        """The metric names of this service."""
        ...

    def facts(self, source: Source) -> Facts:
        """What is known of one metric; ``series`` 0 when nothing matches."""
        ...

    def type_of(self, metric: str) -> str:
        """counter, gauge, histogram, summary, or ""."""
        ...

    def close(self) -> None:
        """Close connections."""
        ...


class InPrometheus:
    """The facts by small aggregated queries: how much there is never travels, only how many."""

    name = "prometheus"

    def __init__(self, endpoint: Endpoint, labels: dict[str, str], until: float) -> None:
        self._reader = PrometheusReader(endpoint)
        self._http = HttpReader(endpoint)
        self._labels = matchers_of(labels)
        self._until = until
        self._lock = threading.Lock()
        self._types: dict[str, str] | None = None
        self.source = f"prometheus {self._reader.address}"

    def names(self) -> frozenset[str]:
        """Of the series with the profile's labels; where none has them, of all.

        Names beyond the classic form, which newer servers allow, are left out: they end up in lines to be pasted.
        """
        for selector in (_selector("", self._labels), '{__name__=~".+"}'):
            found = self._get("/api/v1/label/__name__/values", **{"match[]": selector}) if selector != "{}" else []
            if found:
                return frozenset(str(name) for name in found if _CLASSIC.fullmatch(str(name)))
        return frozenset()

    def facts(self, source: Source) -> Facts:
        """Count, age, labels and edges, each by its own question; the matchers that fail when nothing matches."""
        selector = _selector(source.metric, source.matchers)
        count = self._number(f"count({selector})")
        if not count:
            every = int(self._number(f"count({source.metric})") or 0)
            failing = tuple(self._failing(source)) if every else ()
            return Facts(metric=source.metric, all_series=every, failing=failing, type=self.type_of(source.metric))
        bucket = source.metric.endswith("_bucket")
        edges = self._reader.query(f"group by (le) ({selector})", timeout=self._left()).series if bucket else ()
        return Facts(
            metric=source.metric,
            series=int(count),
            all_series=int(count),
            age=self._number(f"time() - max(timestamp({selector}))"),
            labels=frozenset(str(name) for name in self._get("/api/v1/labels", **{"match[]": selector})),
            type=self.type_of(source.metric),
            edges=_edges(series.labels.get("le", "") for series in edges),
            low=None if bucket else self._number(f"min({selector})"),
            high=None if bucket else self._number(f"max({selector})"),
        )

    def type_of(self, metric: str) -> str:
        """From the scraped TYPE lines; "" from systems that keep none."""
        with self._lock:
            if self._types is None:
                try:
                    told = self._get("/api/v1/metadata")
                    self._types = {name: str(entries[0]["type"]) for name, entries in told.items() if entries}
                except (CouldNotLook, AttributeError, KeyError, IndexError, TypeError):
                    self._types = {}
        return next((self._types[name] for name in family(metric) if name in self._types), "")

    def ask(self, expr: str) -> int:
        """How many series an expression gives."""
        return len(self._reader.query(expr, timeout=self._left()).series)

    def values_of(self, label: str, metrics: Sequence[str]) -> frozenset[str]:
        """The values of a label on any of these metrics; empty when that cannot be had."""
        named = "|".join(dict.fromkeys(metrics))
        try:
            told = self._get(f"/api/v1/label/{label}/values", **{"match[]": f'{{__name__=~"{named}"}}'})
        except CouldNotLook:
            return frozenset()
        return frozenset(map(str, told))

    def close(self) -> None:
        """Close connections."""
        self._reader.close()
        self._http.close()

    def _failing(self, source: Source) -> list[str]:
        """The matchers that no series passes even alone, with values that there are."""
        said = []
        for matcher in source.matchers:
            if self._number(f"count({_selector(source.metric, (matcher,))})"):
                continue
            values = self._get(f"/api/v1/label/{matcher.label}/values", **{"match[]": source.metric})
            known = ", ".join(sorted(map(str, values))[:6]) or NO_LABEL
            said.append(f"{shown(matcher)} (there are: {known})")
        return said or ["all of " + ", ".join(shown(matcher) for matcher in source.matchers) + " together"]

    def _left(self) -> float:
        return max(0.1, min(5.0, self._until - time.monotonic()))

    def _number(self, expr: str) -> float | None:
        series = self._reader.query(expr, timeout=self._left()).series
        return series[0].value if series and math.isfinite(series[0].value) else None

    def _get(self, path: str, **params: str) -> Any:
        """``data`` of an answer, of the last ten minutes where times apply."""
        times = {} if path.endswith("metadata") else {"start": f"{time.time() - 600:.0f}"}
        answer = self._http.get(path, params={**times, **params}, timeout=self._left())
        try:
            return json.loads(answer.body)["data"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise CouldNotLook("bad-answer", f"{answer.url} does not answer as Prometheus does") from None


class OnPage:
    """The facts of one scrape. A page has no past: how fresh a sample is, is not known."""

    name = "page"

    def __init__(self, endpoint: Endpoint, labels: dict[str, str], until: float) -> None:
        """``labels`` are Prometheus' own and not on the page: matchers of these are left out."""
        self._ours = frozenset(labels)
        reader = HttpReader(endpoint)
        try:
            accept = {"Accept": "text/plain;version=0.0.4, application/openmetrics-text;version=1.0.0;q=0.8, */*;q=0.1"}
            answer = reader.get(timeout=max(0.1, min(10.0, until - time.monotonic())), headers=accept)
        finally:
            reader.close()
        self.source = f"page {reader.address}"
        try:
            self._page = Page(answer.body, time=time.time(), content_type=answer.headers.get("content-type", ""))
        except NotMetrics as error:
            raise CouldNotLook(
                "bad-answer", f"{reader.address}: {error}", address=reader.address, setting=endpoint.setting
            ) from None
        body = self._page.body
        self._names = frozenset(name.decode() for name in set(_NAME.findall(body)))
        self._types = {name.decode(): kind.decode() for name, kind in _TYPES.findall(b"\n" + body)}

    def names(self) -> frozenset[str]:
        """All that is on the page."""
        return self._names

    def facts(self, source: Source) -> Facts:
        """By reading the metric's lines."""
        wanted = [matcher for matcher in source.matchers if matcher.label not in self._ours]
        labels: set[str] = set()
        values: list[float] = []
        edges: set[str] = set()
        every = 0
        failing = dict.fromkeys(wanted, True)
        seen: dict[str, set[str]] = {matcher.label: set() for matcher in wanted}
        for raw, value, _ in self._page.lines(source.metric):
            if not well_formed(raw):
                continue
            own = labels_of(raw)
            every += 1
            passed = True
            for matcher in wanted:
                if matcher.label in own and len(seen[matcher.label]) < 100:
                    seen[matcher.label].add(own[matcher.label])
                if matcher.matches(own.get(matcher.label, "")):
                    failing[matcher] = False
                else:
                    passed = False
            if passed:
                labels |= own.keys()
                values.append(value)
                edges.add(own.get("le", ""))
        finite = [value for value in values if math.isfinite(value)]
        return Facts(
            metric=source.metric,
            series=len(values),
            all_series=every,
            labels=frozenset(labels),
            type=self.type_of(source.metric),
            edges=_edges(edges) if source.metric.endswith("_bucket") else (),
            low=min(finite, default=None),
            high=max(finite, default=None),
            failing=tuple(self._failing(failing, seen)) if every and not values else (),
        )

    @staticmethod
    def _failing(failing: dict[Matcher, bool], seen: dict[str, set[str]]) -> Iterator[str]:
        for matcher, none in failing.items():
            if none:
                yield f"{shown(matcher)} (there are: {', '.join(sorted(seen[matcher.label])[:6]) or NO_LABEL})"

    def type_of(self, metric: str) -> str:
        """From the TYPE lines."""
        return next((self._types[name] for name in family(metric) if name in self._types), "")

    def close(self) -> None:
        """Nothing is open."""


def _selector(metric: str, matchers: tuple[Matcher, ...]) -> str:
    inside = ",".join(f"{m.label}{m.op}{json.dumps(m.value)}" for m in matchers)
    return f"{metric}{{{inside}}}" if inside or not metric else metric


def _edges(texts: Any) -> tuple[float, ...]:
    found = set()
    for text in texts:
        try:
            edge = float(text)
        except ValueError:
            continue
        if math.isfinite(edge):
            found.add(edge)
    return tuple(sorted(found))

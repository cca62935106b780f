"""The metrics pages that Prometheus and Alertmanager have of themselves: a few numbers each, and what they grew by."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import NamedTuple

from opsctl.clients.http_answer import HttpAnswer
from opsctl.errors import CouldNotLook
from opsctl.signals.exposition import NotMetrics, Page, labels_of

LATELY = "90s"  # Prometheus repeats an alert each minute
_MOSTLY = 0.5


class Own(NamedTuple):
    """One such page. ``clock``: monotonic seconds when it came."""

    page: Page
    clock: float

    def total(self, metric: str, **labels: str) -> float | None:
        """The sum of a metric's series (those with these labels); None when there is none."""
        values = [
            value
            for raw, value, _ in self.page.samples(metric)
            if math.isfinite(value) and (not labels or labels.items() <= labels_of(raw).items())
        ]
        return math.fsum(values) if values else None

    def by(self, metric: str, label: str) -> dict[str, float]:
        """The sums of a metric by one of its labels."""
        found: dict[str, float] = {}
        for raw, value, _ in self.page.samples(metric):
            if math.isfinite(value):
                key = labels_of(raw).get(label, "")
                found[key] = found.get(key, 0.0) + value
        return found


def own(answer: HttpAnswer) -> Own:
    """The answer as a metrics page; raises CouldNotLook "bad-answer"."""
    clock = time.monotonic()
    try:
        page = Page(answer.body, time=time.time(), content_type=answer.headers.get("content-type", ""))
    except NotMetrics as error:
        raise CouldNotLook("bad-answer", f"{answer.url}: {error}", address=answer.url) from None
    return Own(page, clock)


def gauge(answer: HttpAnswer, metric: str) -> float | None:
    """One number of such a page; None when it is not there. Raises CouldNotLook "bad-answer"."""
    return own(answer).total(metric)


class Tried(NamedTuple):
    """How often something was tried and how often that failed; ``over``: in which time. 0 tried: not lately."""

    failed: float
    tried: float
    over: str

    @property
    def fails(self) -> bool:
        """Whether most of it fails: one failed try among many is repeated and gets through."""
        return self.failed > 0 and self.failed >= _MOSTLY * self.tried


def tried(
    pages: tuple[Own, Own],
    failed: str,
    asked: str,
    labels: dict[str, str],
    past: Callable[[str], float | None] = lambda metric: None,
) -> Tried:
    """By two counters: between the two pages; if nothing was tried then, lately by ``past`` (the increase that a
    Prometheus knows); else since the start, where nothing ever got through."""
    first, second = pages

    def grown(metric: str) -> float:
        after, before = second.total(metric, **labels) or 0.0, first.total(metric, **labels) or 0.0
        return after - before if after >= before else after

    if grown(failed) > 0 or grown(asked) > 0:
        return Tried(grown(failed), grown(asked), f"in {max(0.1, second.clock - first.clock):.0f} s")
    lately = past(asked)
    if lately:
        return Tried(round(past(failed) or 0.0), round(lately), f"in the last {LATELY}")
    total = second.total(asked, **labels) or 0.0
    never = second.total(failed, **labels) or 0.0
    if never >= total > 0:
        return Tried(never, total, "since its start")
    return Tried(0.0, 0.0, "")

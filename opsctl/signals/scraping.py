"""The two scrapes of a service's own metrics page that stand in for a Prometheus."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, NamedTuple

from opsctl.errors import CouldNotLook
from opsctl.signals.exposition import NotMetrics, Page
from opsctl.signals.growth import Scrapes
from opsctl.signals.once import Once

if TYPE_CHECKING:
    from opsctl.clients.readers import Readers

SCRAPE_TIMEOUT = 5.0
_ACCEPT = "text/plain;version=0.0.4, application/openmetrics-text;version=1.0.0;q=0.8, */*;q=0.1"
_STARTED = "process_start_time_seconds"


class Taken(NamedTuple):
    """One page, and where it came from: ``source`` like "scrape http://…/metrics"."""

    page: Page
    clock: float  # monotonic seconds it stands for
    address: str
    setting: str

    @property
    def source(self) -> str:
        """For evidence."""
        return f"scrape {self.address}"


class Scraping:
    """The scrapes of one diagnosis: each is made once, ``pause`` seconds apart, and shared by all threads."""

    def __init__(self, readers: Readers, name: str, pause: float) -> None:
        self._readers = readers
        self._name = name
        self.pause = pause
        self._taken: list[Taken] = []
        self._first: Once[Taken] = Once(self._scrape)
        self._both: Once[Scrapes] = Once(self._twice)

    def configured(self) -> bool:
        """Whether anything says where the metrics page is."""
        try:
            self._readers.endpoint(self._name)
        except CouldNotLook:
            return False
        return True

    def first(self) -> Taken:
        """The first page, at once. Raises CouldNotLook."""
        return self._first.get(None)

    def both(self) -> Scrapes:
        """Both pages, after the pause. Raises CouldNotLook."""
        return self._both.get(None)

    def notes(self) -> tuple[str, ...]:
        """What was wrong with the pages, as far as they were read; never waits."""
        said = (f"{taken.address}: {note}" for taken in self._taken for note in taken.page.notes())
        return tuple(dict.fromkeys(said))

    def _twice(self) -> Scrapes:
        first = self.first()
        left = first.clock + self.pause - time.monotonic()
        if left > 0:
            time.sleep(left)
        second = self._scrape()
        return _compare(first, second)

    def _scrape(self) -> Taken:
        setting = self._readers.endpoint(self._name).setting
        answer = self._readers.http(self._name).get(timeout=SCRAPE_TIMEOUT, headers={"Accept": _ACCEPT})
        clock = time.monotonic()
        address = answer.url.partition("?")[0]
        try:
            page = Page(answer.body, time=time.time(), content_type=answer.headers.get("content-type", ""))
        except NotMetrics as error:
            raise CouldNotLook("bad-answer", f"{address}: {error}", address=address, setting=setting) from None
        taken = Taken(page, clock, address, setting)
        self._taken.append(taken)
        return taken


def _compare(first: Taken, second: Taken) -> Scrapes:
    """Two pages of the same process, or of one that was started anew in between. Raises CouldNotLook.

    Behind a load balancer the second page may come from another process, whose counters have nothing to do with the
    first page's. A process younger than the time between the scrapes began in between; an older one with another
    start is another process.
    """
    elapsed = second.clock - first.clock
    before, after = _start(first.page), _start(second.page)
    if before is None or after is None or math.isclose(before, after, abs_tol=0.5, rel_tol=0):
        return Scrapes(first.page, second.page, elapsed)
    if before < after and second.page.time - after <= elapsed + 2.0:
        return Scrapes(first.page, second.page, elapsed, restarted=True)
    says = "the two scrapes reached different processes (their start times differ), whose counters cannot be compared"
    raise CouldNotLook("bad-answer", f"{first.address}: {says}", address=first.address, setting=first.setting)


def _start(page: Page) -> float | None:
    """When the page's process started; None when it does not say, or speaks for several."""
    found = [value for labels, value, _ in page.lines(_STARTED) if not labels]
    return found[0] if len(found) == 1 else None

"""Many HTTP addresses asked at once, each once, by GET: one thread, no library, everything under one deadline.

For a thousand addresses a pooled client per address costs more than the answers. Nothing is followed, kept alive or
repeated here; what goes through a proxy is the business of ``http``.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Sequence
from queue import Empty, SimpleQueue
from typing import Any

from opsctl.clients.http_fetch import Fetch, Got, Place
from opsctl.config.endpoint import HttpAccess
from opsctl.errors import CouldNotLook

AT_ONCE = 256
PER_ORIGIN = 32  # one server is not to be pressed by the check of its health
_RESOLVERS = 16
_SCAN = 0.02  # seconds between two looks at who is late
_SPARED = 64  # descriptors left for the rest of the process


def get_all(
    urls: Sequence[str], *, deadline: float, each: float, access: HttpAccess | None = None, at_once: int = AT_ONCE
) -> list[Got]:
    """What each address answered, in order, at the latest at ``deadline`` (time.monotonic()).

    ``each``: seconds one address may take. Never raises for what a server does: ``Got.error`` says it.
    """
    return _Many(urls, deadline, each, access or HttpAccess(), min(at_once, _descriptors())).run()


def _descriptors() -> int:
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return AT_ONCE if soft == resource.RLIM_INFINITY else max(8, soft - _SPARED)


class _Origin:
    """The addresses at one server that are not asked yet."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.waiting: deque[int] = deque()
        self.active = 0
        self.addresses: list[Any] = []
        self.failure: CouldNotLook | None = None
        self.known = False


class _Many:
    def __init__(self, urls: Sequence[str], deadline: float, each: float, access: HttpAccess, at_once: int) -> None:
        self.deadline, self.each, self.access, self.at_once = deadline, each, access, at_once
        self.got: list[Got | None] = [None] * len(urls)
        self.places: list[Place | None] = []
        self.origins: dict[tuple[bool, str, int], _Origin] = {}
        self.turn: deque[_Origin] = deque()  # those that may be asked now
        self.active: set[Fetch] = set()
        self.selector = selectors.DefaultSelector()
        self.names: SimpleQueue[_Origin] = SimpleQueue()
        self.resolved: SimpleQueue[_Origin] = SimpleQueue()
        self.context: Any = None
        for index, url in enumerate(urls):
            try:
                place = Place.of(url)
            except CouldNotLook as failed:
                self.places.append(None)
                self.got[index] = Got(error=failed)
                continue
            self.places.append(place)
            self.origins.setdefault(place.origin, _Origin(place)).waiting.append(index)

    def run(self) -> list[Got]:
        ours, theirs = socket.socketpair()
        try:
            ours.setblocking(False)
            theirs.setblocking(False)
            self.selector.register(ours, selectors.EVENT_READ)
            self._prepare(theirs)
            self._loop(ours)
        finally:
            for fetch in self.active:
                fetch.close()
            self.selector.close()
            ours.close()
        return [got or self._never(index) for index, got in enumerate(self.got)]

    def _never(self, index: int) -> Got:
        place = self.places[index]
        assert place is not None
        if not self.origins[place.origin].known:
            says = f"the name {place.host} was not resolved in time"
            return Got(error=CouldNotLook("unresolved", says, address=place.shown))
        return Got(error=CouldNotLook("skipped", f"{place.shown} was not asked: the time was over"))

    def _prepare(self, wake: socket.socket) -> None:
        """TLS settings once; numeric addresses at once, names by a few threads."""
        if any(origin.place.secure for origin in self.origins.values()):
            from opsctl.clients.tls import context_for

            try:
                self.context = context_for(self.access)
            except CouldNotLook as failed:
                for origin in self.origins.values():
                    origin.failure = failed if origin.place.secure else None
        names = 0
        for origin in self.origins.values():
            if origin.failure is not None or origin.place.numeric:
                self._resolve(origin)
                self._known(origin)
            else:
                self.names.put(origin)
                names += 1

        def work() -> None:
            with contextlib.suppress(Empty):
                while True:
                    origin = self.names.get_nowait()
                    self._resolve(origin)
                    self.resolved.put(origin)
                    with contextlib.suppress(OSError):
                        wake.send(b".")

        for number in range(min(_RESOLVERS, names)):
            threading.Thread(target=work, name=f"opsctl-resolve-{number}", daemon=True).start()

    def _resolve(self, origin: _Origin) -> None:
        if origin.failure is not None:
            return
        place = origin.place
        flags = socket.AI_NUMERICHOST if place.numeric else 0
        try:
            origin.addresses = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM, flags=flags)
        except (OSError, UnicodeError):
            says = f"the name {place.host} is not known to DNS here"
            origin.failure = CouldNotLook("unresolved", says, address=place.shown)

    def _known(self, origin: _Origin) -> None:
        origin.known = True
        if origin.failure is not None:
            for index in origin.waiting:
                self.got[index] = Got(error=origin.failure)
            origin.waiting.clear()
        else:
            self.turn.append(origin)

    def _loop(self, wake: socket.socket) -> None:
        next_scan = 0.0
        while None in self.got if not self.active else True:
            now = time.monotonic()
            if now >= self.deadline:
                self._late(now)
                return
            self._start_more(now)
            for key, _ in self.selector.select(min(0.1, max(0.0, self.deadline - now))):
                if key.data is None:
                    with contextlib.suppress(OSError):
                        wake.recv(4096)
                else:
                    self._step(key.data)
            with contextlib.suppress(Empty):
                while True:
                    self._known(self.resolved.get_nowait())
            now = time.monotonic()
            if now >= next_scan:
                next_scan = now + _SCAN
                self._late(now)

    def _start_more(self, now: float) -> None:
        while self.turn and len(self.active) < self.at_once:
            origin = self.turn.popleft()
            if not origin.waiting or origin.active >= PER_ORIGIN:
                continue  # it comes again when one of its answers is there
            index = origin.waiting.popleft()
            place = self.places[index]
            assert place is not None
            fetch = Fetch(index, place, origin.addresses, self.context, self.access, now, self._until(now))
            origin.active += 1
            self.active.add(fetch)
            self.turn.append(origin)
            self._step(fetch)

    def _until(self, now: float) -> float:
        return min(self.deadline, now + self.each)

    def _step(self, fetch: Fetch) -> None:
        """Go on with one as far as it goes without waiting."""
        before = fetch.sock
        try:
            events = fetch.go_on()
        except CouldNotLook as failed:
            self._done(fetch, before, Got(error=failed, seconds=time.monotonic() - fetch.started))
            return
        if events == 0:
            self._done(fetch, before, fetch.got())
            return
        if fetch.watched is not fetch.sock or before is not fetch.sock:
            self._forget(fetch)
            assert fetch.sock is not None
            self.selector.register(fetch.sock, events, fetch)
            fetch.watched, fetch.events = fetch.sock, events
        elif fetch.events != events:
            assert fetch.sock is not None
            self.selector.modify(fetch.sock, events, fetch)
            fetch.events = events

    def _forget(self, fetch: Fetch) -> None:
        if fetch.watched is not None:
            with contextlib.suppress(KeyError, ValueError):
                self.selector.unregister(fetch.watched)
            fetch.watched = None

    def _done(self, fetch: Fetch, before: socket.socket | None, got: Got) -> None:
        self._forget(fetch)
        fetch.close()
        self.active.discard(fetch)
        self.got[fetch.index] = got
        origin = self.origins[fetch.place.origin]
        if origin.waiting and origin.active >= PER_ORIGIN:
            self.turn.append(origin)
        origin.active -= 1

    def _late(self, now: float) -> None:
        for fetch in [one for one in self.active if now >= one.until]:
            self._done(fetch, fetch.sock, Got(error=fetch.late(), seconds=now - fetch.started))

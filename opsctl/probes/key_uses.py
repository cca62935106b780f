"""Counts of an access log by key and address, in one pass and bounded memory. Pure: it is fed lines."""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from opsctl.clients.logline import LogLine
from opsctl.durations import format_duration
from opsctl.probes.signal_reading import median

ADMIN = "administration"
_KEY = ("key_id", "api_key_id")
_CUSTOMER = ("customer_id", "customer", "tenant_id")
_SOURCE = ("client_host", "client_ip", "remote_addr", "client")
_FORWARDED = ("forwarded_for", "x_forwarded_for")
_STATUS = ("status_code", "status")
_PATH = ("path", "url", "endpoint")
_ADMIN_PATH = re.compile(r"^/admin(?:/|$)|^/api/v\d+/customers(?:/|$)")
_REFUSED = (401, 403)
_MOST = 20_000  # pairs of key and address that are kept
_IDS = 2000  # ids per pair
_FEW = 30  # requests: fewer are no volume


def own_addresses(settings: Mapping[str, str]) -> frozenset[str]:
    """Addresses whose requests are the operators' own: those of the profile's ``known_addresses``, and loopback."""
    named = settings.get("known_addresses", "").replace(",", " ").split()
    return frozenset({"127.0.0.1", "::1", "localhost", *named})


class SourceUse:
    """One key from one address. ``before``: requests of that key before it came; ``known``: addresses before it."""

    __slots__ = (
        "accepted",
        "address",
        "before",
        "changed",
        "changes",
        "count",
        "first",
        "ids",
        "known",
        "missed",
        "now",
    )

    def __init__(self, address: str, first: float, before: int, known: int) -> None:
        self.address, self.first, self.before, self.known = address, first, before, known
        self.count = self.now = self.accepted = self.changes = self.missed = 0
        self.changed: list[str] = []
        self.ids: set[str] = set()

    @property
    def walked(self) -> int:
        """Different ids asked for within the window."""
        return len(self.ids)


class KeyUse:
    """One key, or the administration. ``now``: requests within the window."""

    __slots__ = ("customer", "first", "id", "now", "slots", "sources", "total")

    def __init__(self, id: str, customer: str, first: float) -> None:
        self.id, self.customer, self.first = id, customer, first
        self.total = self.now = 0
        self.sources: dict[str, SourceUse] = {}
        self.slots: Counter[int] = Counter()

    def usual(self, beside: SourceUse | None = None) -> str:
        """The address with most requests, or of those before another one."""
        others = [s for s in self.sources.values() if s is not beside and (beside is None or s.first < beside.first)]
        return max(others or self.sources.values(), key=lambda s: s.count).address

    def expected(self, beside: SourceUse, now: float) -> float:
        """Requests that the others would have made since this address came, at their pace before."""
        return beside.before / max(1.0, beside.first - self.first) * (now - beside.first)

    def from_usual(self, accustomed: int) -> bool:
        """Whether most of what it sends now is from an address that it has long used."""
        busiest = max(self.sources.values(), key=lambda s: s.now)
        return busiest.known == 0 or busiest.known > accustomed or busiest.before == 0

    def times(self, uses: Uses) -> float | None:
        """How many times the usual number of requests the window holds; None where the usual is not known."""
        past = uses.slots_before(self.first)
        if past < 2:
            return None
        usual = median([float(self.slots[number]) for number in range(1, past + 1)])
        return self.now / max(usual, 1.0) if self.now >= _FEW else 0.0


class AddressUse:
    """One address over all keys: ``refused`` within the window before it was ever let in."""

    __slots__ = ("let_in", "refused", "welcome")

    def __init__(self) -> None:
        self.refused, self.let_in, self.welcome = 0, 0.0, False


class Uses:
    """Fed by ``add``, oldest line first. ``within``: seconds before ``now`` that make up the window."""

    def __init__(self, now: float, within: float, own: frozenset[str], settings: Mapping[str, str]) -> None:
        self.now, self.within, self.own = now, within, own
        self.span = format_duration(within)
        self.trusted = frozenset(settings.get("trusted_proxies", "").replace(",", " ").split())
        self.keys: dict[str, KeyUse] = {}
        self.addresses: dict[str, AddressUse] = {}
        self.lines = self.left_out = self._pairs = 0
        self.newest = 0.0
        self.oldest = now
        self.by_customer = False

    def add(self, line: LogLine) -> None:
        """Count one line; one that names no address is passed over."""
        if not line.json or line.time is None:
            return
        fields = line.fields
        address = address_of(fields, self.trusted)
        path, status = str(_first(fields, _PATH) or ""), _status(fields)
        if not address or not path or status is None:
            return
        self.newest, self.oldest = max(self.newest, line.time), min(self.oldest, line.time)
        self.lines += 1
        recent = line.time >= self.now - self.within
        if address not in self.own:
            self._let_in(address, status, line.time, recent)
        if (id := self._id(fields, path, status)) is None:
            return
        key = self.keys.get(id)
        if key is None:
            key = self.keys[id] = KeyUse(id, str(_first(fields, _CUSTOMER) or ""), line.time)
        source = key.sources.get(address)
        if source is None:
            if self._pairs >= _MOST:
                self.left_out += 1
                return
            self._pairs += 1
            source = key.sources[address] = SourceUse(address, line.time, key.total, len(key.sources))
        key.total += 1
        source.count += 1
        source.accepted += status not in _REFUSED
        key.slots[int((self.now - line.time) // self.within)] += 1
        if recent:
            key.now += 1
            source.now += 1
            self._walk(source, path, status)
        method = str(fields.get("method", "GET")).upper()
        if id == ADMIN and method not in ("GET", "HEAD", "OPTIONS") and status < 400:
            source.changes += 1
            source.changed.append(f"{method} {path[:80]}")
            del source.changed[:-5]

    def slots_before(self, first: float) -> int:
        """Whole windows before the one of now that the key was known in."""
        return int((self.now - max(first, self.oldest)) // self.within) - 1

    def per_hour(self, requests: int) -> float:
        """Requests of the window as a rate."""
        return requests * 3600 / self.within

    def _id(self, fields: Mapping[str, Any], path: str, status: int) -> str | None:
        if _ADMIN_PATH.search(path):
            return ADMIN if status not in _REFUSED else None
        key = _first(fields, _KEY)
        if not key:
            key = _first(fields, _CUSTOMER)
            self.by_customer = self.by_customer or bool(key)
        return str(key) if key else None

    def _let_in(self, address: str, status: int, moment: float, recent: bool) -> None:
        if len(self.addresses) >= _MOST and address not in self.addresses:
            return
        seen = self.addresses.setdefault(address, AddressUse())
        if status == 401:
            seen.refused += recent and not seen.welcome
        elif status != 403:
            if seen.refused and not seen.welcome:
                seen.let_in = moment
            seen.welcome = True

    @staticmethod
    def _walk(source: SourceUse, path: str, status: int) -> None:
        last = path.partition("?")[0].rstrip("/").rpartition("/")[2]
        if any(letter.isdigit() for letter in last) and len(source.ids) < _IDS and last not in source.ids:
            source.ids.add(last)
            source.missed += status in (403, 404)


def address_of(fields: Mapping[str, Any], trusted: frozenset[str]) -> str:
    """Where a request came from; what it says of itself counts only behind a proxy that is named (2.9)."""
    address = str(_first(fields, _SOURCE) or "").strip()
    forwarded = str(_first(fields, _FORWARDED) or "")
    if address in trusted and forwarded:
        hops = [hop.strip() for hop in forwarded.split(",")]
        outside = [hop for hop in hops if hop not in trusted]
        address = outside[-1] if outside else address
    return normal(address)


def normal(address: str) -> str:
    """An address in its usual spelling; a name stays as it is."""
    try:
        found = ipaddress.ip_address(address.strip("[]").partition("%")[0])
    except ValueError:
        return address
    mapped = getattr(found, "ipv4_mapped", None)
    return str(mapped or found)


def _first(fields: Mapping[str, Any], names: Iterable[str]) -> Any:
    return next((fields[name] for name in names if fields.get(name)), None)


def _status(fields: Mapping[str, Any]) -> int | None:
    try:
        return int(_first(fields, _STATUS) or "")
    except ValueError:
        return None

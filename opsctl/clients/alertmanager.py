"""Alertmanager's API v2, read side: alerts, silences and status. API v1 answers 410 since 0.27 and is not used."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypeVar

import msgspec

from opsctl.clients.http import HttpReader, Params
from opsctl.clients.http_answer import HttpAnswer, first_words
from opsctl.clients.typed import ready
from opsctl.config.endpoint import Endpoint
from opsctl.errors import CouldNotLook, Reason
from opsctl.redact import printable, redact

# Alertmanager answers at most as many GETs at once as it has processors; the next one gets 503 at once.
_BUSY = b"Limit of concurrent GET requests"
_BUSY_PAUSES = (0.2, 0.5, 1.0)

T = TypeVar("T")


class Struct(msgspec.Struct, frozen=True, kw_only=True):
    """Base of what is decoded: only the fields that opsctl uses, everything else is skipped."""


class AlertStatus(Struct, frozen=True, kw_only=True):
    """``state``: unprocessed, active, suppressed; ``muted_by`` only comes from 0.28 on."""

    state: str = ""
    silenced_by: tuple[str, ...] = msgspec.field(name="silencedBy", default=())
    inhibited_by: tuple[str, ...] = msgspec.field(name="inhibitedBy", default=())
    muted_by: tuple[str, ...] = msgspec.field(name="mutedBy", default=())


class Receiver(Struct, frozen=True, kw_only=True):
    """Who is told."""

    name: str = ""


class Alert(Struct, frozen=True, kw_only=True):
    """One alert. Alerts are not shared between Alertmanagers of a cluster, silences are."""

    labels: dict[str, str]
    annotations: dict[str, str] = {}
    starts_at: datetime | None = msgspec.field(name="startsAt", default=None)
    ends_at: datetime | None = msgspec.field(name="endsAt", default=None)
    updated_at: datetime | None = msgspec.field(name="updatedAt", default=None)
    fingerprint: str = ""
    receivers: tuple[Receiver, ...] = ()
    generator_url: str = msgspec.field(name="generatorURL", default="")
    status: AlertStatus = AlertStatus()


class Peer(Struct, frozen=True, kw_only=True):
    """A member of the cluster."""

    name: str = ""
    address: str = ""


class Cluster(Struct, frozen=True, kw_only=True):
    """``status``: ready, settling, disabled."""

    status: str = ""
    peers: tuple[Peer, ...] = ()


class Version(Struct, frozen=True, kw_only=True):
    """The server's version."""

    version: str = ""


class Matcher(Struct, frozen=True, kw_only=True):
    """One condition of a silence on a label; a regular expression is anchored at both ends."""

    name: str
    value: str = ""
    is_regex: bool = msgspec.field(name="isRegex", default=False)
    is_equal: bool = msgspec.field(name="isEqual", default=True)  # absent before 0.22

    def __str__(self) -> str:
        operator = ("=~" if self.is_regex else "=") if self.is_equal else ("!~" if self.is_regex else "!=")
        return f"{self.name}{operator}{self.value}"


class SilenceStatus(Struct, frozen=True, kw_only=True):
    """``state``: pending, active, expired."""

    state: str = ""


class Silence(Struct, frozen=True, kw_only=True):
    """A silence; one that was ended early has ``ends_at`` in the past. Expired ones are kept for five days."""

    id: str
    matchers: tuple[Matcher, ...] = ()
    starts_at: datetime = msgspec.field(name="startsAt")
    ends_at: datetime = msgspec.field(name="endsAt")
    updated_at: datetime | None = msgspec.field(name="updatedAt", default=None)
    created_by: str = msgspec.field(name="createdBy", default="")
    comment: str = ""
    annotations: dict[str, str] = {}  # from 0.32 on
    status: SilenceStatus = SilenceStatus()


class Configuration(Struct, frozen=True, kw_only=True):
    """The configuration file in use, secrets hidden by the server."""

    original: str = ""


class AlertmanagerStatus(Struct, frozen=True, kw_only=True):
    """``started`` is the start of the process (the API calls it uptime)."""

    config: Configuration = Configuration()
    cluster: Cluster = Cluster()
    version: Version = msgspec.field(name="versionInfo")
    started: datetime | None = msgspec.field(name="uptime", default=None)


class _Coded(Struct, frozen=True):
    message: str
    code: int = 0


_REASONS: dict[int, Reason] = {400: "bad-query", 404: "not-found", 415: "bad-query", 422: "bad-query"}


class AlertmanagerReader:
    """Alerts, silences, status. Thread-safe. ``address`` and ``setting`` as in HttpReader."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._http = HttpReader(endpoint)
        self.address = self._http.address
        self.setting = endpoint.setting

    def alerts(self, filters: Sequence[str] = (), timeout: float = 10.0) -> tuple[Alert, ...]:
        """Alerts that match all ``filters`` (matchers such as ``service="api"``), silenced and inhibited included.

        Raises CouldNotLook. A store in an alert storm is slow: 50,000 alerts took 4 s, and 40 s with many silences
        (alert-tooling.md, own measurements), hence the longer default timeout.
        """
        params: Params = {"filter": tuple(filters)} if filters else {}
        return self._read("/api/v2/alerts", tuple[Alert, ...], timeout, params)

    def alerts_as(
        self, type: type[T], filters: Sequence[str] = (), timeout: float = 10.0, params: Mapping[str, str] | None = None
    ) -> T:
        """``alerts`` decoded into another, narrower type; ``params``: e.g. ``silenced=false``. Raises CouldNotLook."""
        asked: dict[str, str | tuple[str, ...]] = {**(params or {})}
        if filters:
            asked["filter"] = tuple(filters)
        return self._read("/api/v2/alerts", type, timeout, asked)

    def status(self, timeout: float = 5.0) -> AlertmanagerStatus:
        """Version, start, cluster. Raises CouldNotLook."""
        return self._read("/api/v2/status", AlertmanagerStatus, timeout)

    def silences(self, timeout: float = 5.0) -> tuple[Silence, ...]:
        """All silences, those that ended in the last days included. Raises CouldNotLook."""
        return self._read("/api/v2/silences", tuple[Silence, ...], timeout)

    def ready(self, timeout: float = 5.0) -> HttpAnswer:
        """What ``/-/ready`` answers, when it says that alerts are taken; else raises CouldNotLook."""
        return self._http.get("/-/ready", timeout=timeout)

    def metrics(self, timeout: float = 5.0) -> HttpAnswer:
        """Alertmanager's own metrics page."""
        return self._http.get("/metrics", timeout=timeout)

    def close(self) -> None:
        """Close connections."""
        self._http.close()

    def _read(self, path: str, type: type[T], timeout: float, params: Params | None = None) -> T:
        return self._http.decode(self._fetch(path, timeout, params), type)

    def _fetch(self, path: str, timeout: float, params: Params | None = None) -> HttpAnswer:
        """The answer to a GET, asked again while the server is busy. Raises CouldNotLook for any status but 200."""
        deadline = time.monotonic() + timeout
        for pause in (*_BUSY_PAUSES, 0.0):
            left = deadline - time.monotonic()
            got = self._http.get(path, params=params, timeout=left, accept=None)
            if got.status == 200:
                return got
            if got.status != 503 or _BUSY not in got.body or deadline - time.monotonic() <= pause + 0.05:
                break
            time.sleep(pause)
        raise self._failure(got)

    def _failure(self, got: HttpAnswer) -> CouldNotLook:
        """Its errors come as a JSON string, as ``{"code", "message"}``, as plain text, or empty."""
        if got.status == 503 and _BUSY in got.body:
            says = f"Alertmanager is busy: {first_words(got.body)}"
            return CouldNotLook("throttled", says, address=self.address, setting=self.setting)
        if got.status == 503 and b"configured timeout" in got.body:
            says = f"Alertmanager gave the request up: {first_words(got.body)}"
            return CouldNotLook("timeout", says, address=self.address, setting=self.setting)
        try:
            decoded = msgspec.json.decode(got.body, type=str | ready(_Coded))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return self._http.failure(got)
        words = redact(printable(decoded if isinstance(decoded, str) else decoded.message))[:300]
        reason = _REASONS.get(got.status)
        if reason is None:
            return self._http.failure(got)
        says = f"Alertmanager answers HTTP {got.status}: {words}"
        return CouldNotLook(reason, says, address=self.address, setting=self.setting)

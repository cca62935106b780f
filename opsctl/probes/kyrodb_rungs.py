"""One KyroDB instance, rung by rung: name, connection, TLS, gRPC, HTTP, metrics. It stops at the first that fails.

Used by the probe kyrodb.ladder and by what must know before it acts. Facts: domain-checks.md 2.7.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

import msgspec

from opsctl.clients.kyrodb import KyrodbAnswered, KyrodbHealth
from opsctl.clients.readers import Readers
from opsctl.clients.tcp import connect, speaks_tls
from opsctl.errors import CouldNotLook

Rung = Literal["dns", "tcp", "tls", "grpc", "top"]
YOUNG = 120  # seconds of uptime within which DEGRADED is what a starting server says
_CONNECT = 2.0
_HTTP = 1.5
_STARTING = ("starting", "loading", "recovering", "replaying", "initializing")
_METRIC = re.compile(rb"^(kyrodb_[a-z0-9_]+)(?:\{([^}\n]*)\})?[ \t]+([-+0-9.eE]+)", re.M)


class Climb(NamedTuple):
    """How far it went. ``failed``: why not further; ``http`` None: its HTTP port could not be asked.

    ``metrics``: name, with a percentile as ``name.99``, -> value.
    """

    endpoint: str
    address: str
    setting: str
    rung: Rung
    failed: CouldNotLook | None = None
    health: KyrodbHealth | None = None
    http: int | None = None
    word: str = ""
    metrics: dict[str, float] = {}

    @property
    def dead(self) -> bool:
        """Its host says that nothing listens there."""
        return self.rung == "tcp" and self.failed is not None and self.failed.reason == "refused"

    @property
    def hung(self) -> bool:
        """It takes connections and does not answer in time."""
        return self.rung == "grpc" and self.failed is not None and self.failed.reason == "timeout"

    @property
    def starting(self) -> bool:
        """It loads its snapshot or replays its log: gRPC says DEGRADED or nothing, HTTP says it plainly (503)."""
        if self.word in _STARTING and self.http == 503:
            return True
        health = self.health
        if health is None or health.status != "degraded" or self.sick:
            return False
        return self.http == 503 or (self.http is None and health.uptime_seconds < YOUNG)

    @property
    def wal(self) -> str:
        """What it says of its write-ahead log, "" for nothing."""
        return "" if self.health is None else self.health.components.get("wal", "")

    @property
    def wal_broken(self) -> bool:
        """Inconsistent: writes are disabled."""
        return self.wal.startswith("unhealthy")

    @property
    def sick(self) -> tuple[str, ...]:
        """The components that are not healthy, with their words."""
        parts = {} if self.health is None else self.health.components
        return tuple(f"{name}: {word}" for name, word in parts.items() if not word.startswith("healthy"))

    @property
    def serves(self) -> bool:
        """It answers, is not starting, and may write."""
        return self.health is not None and not self.starting and not self.wal_broken


def climb(readers: Readers, endpoint: str, http: str, timeout: float) -> Climb:
    """Look once, ``timeout`` for the Health call. ``http``: endpoint of its HTTP port, "" for none.

    Raises CouldNotLook where nothing says where it is.
    """
    reader = readers.kyrodb(endpoint)
    host, _, port = reader.address.rpartition(":")
    host = host.strip("[]")
    at = Climb(endpoint, reader.address, reader.setting, "dns")
    try:
        connect(host, int(port), min(_CONNECT, timeout))
    except CouldNotLook as failed:
        return at._replace(rung="dns" if failed.reason == "unresolved" else "tcp", failed=failed)
    status, word = _http(readers, http, timeout)
    at = at._replace(http=status, word=word)
    try:
        health = reader.health(timeout=timeout)
    except KyrodbAnswered as failed:
        return at._replace(rung="grpc", failed=failed, metrics=_metrics(readers, http, timeout))
    except CouldNotLook as failed:
        mismatch = failed.reason in ("closed", "bad-answer") and _mismatch(reader.endpoint.options, host, int(port))
        if failed.reason == "tls" or mismatch:
            return at._replace(rung="tls", failed=_named(failed, mismatch))
        metrics = _metrics(readers, http, timeout) if status is not None else {}
        return at._replace(rung="grpc", failed=failed, metrics=metrics)
    return at._replace(rung="top", health=health, metrics=_metrics(readers, http, timeout))


def _mismatch(options: dict[str, str], host: str, port: int) -> bool:
    """Whether it speaks TLS and we were told not to. gRPC's own words do not tell it from a server that hangs up."""
    asked = options.get("tls", "").lower() in ("1", "true", "yes", "on")
    return not asked and speaks_tls(host, port, _CONNECT) is True


def _named(failed: CouldNotLook, mismatch: bool) -> CouldNotLook:
    if not mismatch:
        return failed
    says = f"{failed.address} speaks TLS, and it is asked without: set tls: true at its endpoint"
    return CouldNotLook("tls", says, address=failed.address, setting=failed.setting)


def _http(readers: Readers, endpoint: str, timeout: float) -> tuple[int | None, str]:
    """Status and status word of GET /health; (None, "") where it cannot be had."""
    if not endpoint:
        return None, ""
    try:
        answer = readers.http(endpoint).get("/health", timeout=min(_HTTP, timeout), accept=None, max_bytes=2**16)
    except CouldNotLook:
        return None, ""  # the other rungs stand by themselves
    try:
        told = msgspec.json.decode(answer.body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        told = None
    word = told.get("status") if isinstance(told, dict) else None
    return answer.status, str(word).lower()[:40] if isinstance(word, str) else ""


def _metrics(readers: Readers, endpoint: str, timeout: float) -> dict[str, float]:
    """KyroDB's own metrics; {} where they cannot be had."""
    if not endpoint:
        return {}
    try:
        answer = readers.http(endpoint).get("/metrics", timeout=min(_HTTP, timeout), accept=None, max_bytes=2**20)
    except CouldNotLook:
        return {}
    found: dict[str, float] = {}
    for name, labels, number in _METRIC.findall(answer.body if answer.status == 200 else b""):
        percentile = re.search(rb'percentile="([0-9.]+)"', labels)
        key = name.decode() + (f".{percentile[1].decode()}" if percentile else "")
        try:
            found[key] = found.get(key, 0.0) + float(number)
        except ValueError:
            continue
    return found

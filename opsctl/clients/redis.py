"""Redis, read side: a few commands by an explicit allow-list; nothing else reaches the server (RD-1 to RD-7).

The list is in ``redis_allowed``. The acting client is another type in another module.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from opsctl.clients import redis_answers, redis_url
from opsctl.clients.deadline import Expired, within
from opsctl.clients.redis_allowed import MOST_AT_ONCE, Word, may_be_sent
from opsctl.clients.redis_answers import Keys, Sample, SlowCommand, Spike, TooLarge, refuse_giant
from opsctl.clients.redis_errors import ClientsFull, failure, is_closed
from opsctl.clients.redis_keys import KeyQuestions, text_of
from opsctl.clients.redis_pages import Garbled, Page, command, literal, read_page
from opsctl.config.endpoint import Endpoint
from opsctl.errors import Bug, CouldNotLook

__all__ = ["ClientsFull", "Keys", "RedisReader", "Sample", "SlowCommand", "Spike"]

T = TypeVar("T")

CONNECT_SECONDS = 3.0
_REMEMBER_SECONDS = 10.0  # a failed connect is not tried again by each probe


class RedisReader(KeyQuestions):
    """One endpoint, one connection, no retries. All failures are CouldNotLook (ClientsFull at maxclients)."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.setting = endpoint.setting
        self.first: Sample | None = None  # the first INFO: what later ones are compared with
        self._endpoint = endpoint
        self._lock = threading.RLock()
        self._connection: Any = None
        self._failed: tuple[float, CouldNotLook] | None = None
        self._answered = False
        self._options, self.address = redis_url.options(endpoint)
        self.database = redis_url.database(endpoint)

    def __repr__(self) -> str:
        return f"RedisReader(from {self.setting})"

    @property
    def user(self) -> str:
        """The ACL user we log in as."""
        return str(self._options.get("username") or "default")

    @property
    def tls_unverified(self) -> bool:
        """Whether the URL turns certificate checks off."""
        return str(self._options.get("ssl_cert_reqs", "required")) in ("none", "optional")

    def ping(self, timeout: float = 5.0) -> float:
        """Seconds of one PING round trip on the open connection."""
        with self._lock:
            self._connected(timeout)
            started = time.monotonic()
            if self._ask(("PING",), timeout=timeout) != b"PONG":
                raise self._failure("bad-answer", f"{self.address} does not answer PING with PONG")
            return time.monotonic() - started

    def info(self, section: str = "all", timeout: float = 5.0) -> Sample:
        """INFO of one section (``all`` for every one)."""
        answer = self._ask(("INFO",), section, timeout=timeout)
        if not isinstance(answer, bytes) or (section == "all" and b"redis_version:" not in answer):
            raise self._failure("bad-answer", f"{self.address} answers INFO with something else")
        lines = (line.partition(":") for line in answer.decode("utf-8", "replace").splitlines() if line[:1] != "#")
        sample = Sample(time.monotonic(), {name: value.strip() for name, colon, value in lines if colon})
        if section == "all" and self.first is None:
            self.first = sample
        return sample

    def two(self, pause: float, timeout: float = 5.0) -> tuple[Sample, Sample]:
        """Two INFO samples at least ``pause`` seconds apart; the first is the diagnosis' first, so that later
        probes need not wait and look over a longer time."""
        first = self.first or self.info(timeout=timeout)
        time.sleep(max(0.0, first.taken + pause - time.monotonic()))
        return first, self.info(timeout=timeout)

    def slowlog(self, count: int = 32, timeout: float = 5.0) -> list[SlowCommand]:
        """The newest SLOWLOG entries; execution time only, without waiting."""
        entries = self._ask(("SLOWLOG", "GET"), str(count), timeout=timeout)
        try:
            return [
                SlowCommand(float(at), float(micro) / 1e6, tuple(text_of(argument) for argument in arguments))
                for _, at, micro, arguments, *_ in entries
            ]
        except (TypeError, ValueError):
            raise self._failure("bad-answer", f"{self.address} answers SLOWLOG GET in an unknown shape") from None

    def latency_latest(self, timeout: float = 5.0) -> list[Spike]:
        """Latency events; empty too when ``latency-monitor-threshold`` is 0 (see ``config``)."""
        events = self._ask(("LATENCY", "LATEST"), timeout=timeout)
        try:
            return [
                Spike(text_of(name), float(at), float(ms) / 1e3, float(most) / 1e3) for name, at, ms, most, *_ in events
            ]
        except (TypeError, ValueError):
            raise self._failure("bad-answer", f"{self.address} answers LATENCY LATEST in an unknown shape") from None

    def memory_stats(self, timeout: float = 5.0) -> dict[str, float]:
        """The numbers of MEMORY STATS by their own names."""
        answer = self._ask(("MEMORY", "STATS"), timeout=timeout)
        if not isinstance(answer, list):
            raise self._failure("bad-answer", f"{self.address} answers MEMORY STATS in an unknown shape")
        numbers = {}
        for name, value in zip(answer[::2], answer[1::2], strict=False):
            try:
                numbers[text_of(name)] = float(value)
            except (TypeError, ValueError):
                continue  # nested per-database parts
        return numbers

    def config(self, name: str, timeout: float = 5.0) -> str:
        """One setting of ``SETTINGS``; "" when the server does not know it."""
        answer = self._ask(("CONFIG", "GET"), name, timeout=timeout)
        return text_of(answer[1]) if isinstance(answer, list) and len(answer) >= 2 else ""

    def clients(self, timeout: float = 5.0) -> list[dict[str, str]]:
        """CLIENT LIST by Redis' own field names; the server walks all its clients for it (RD-6)."""
        answer = self._ask(("CLIENT", "LIST"), timeout=timeout)
        if not isinstance(answer, bytes):
            raise self._failure("bad-answer", f"{self.address} answers CLIENT LIST in an unknown shape")
        return redis_answers.clients(answer.decode("utf-8", "replace"))

    def page(self, cursor: bytes, prefix: bytes, timeout: float = 5.0) -> Page:
        """One step of a walk over the keys of the URL's database that begin with ``prefix``: SCAN COUNT 1000 (RD-7).

        Begin with b"0"; the walk is over when the page's cursor is b"0" again. A key may come more than once; one that
        is there all the time comes. Raises CouldNotLook.
        """
        words = (cursor.decode(), "MATCH", literal(prefix), "COUNT", str(MOST_AT_ONCE))
        if not self._may(("SCAN",), words):
            raise Bug("this SCAN is not on the list of reading Redis commands")
        with self._lock:
            if cursor == b"0":
                self._into_database(timeout)
            connection = self._connected(timeout)
            until = time.monotonic() + timeout
            sent = command(b"SCAN", *(word.encode() if isinstance(word, str) else word for word in words))

            def exchange() -> Page | bytes:
                connection.send_packed_command([sent])
                return read_page(connection._sock, until)

            answer = self._typed("SCAN", exchange, connection, timeout)
            if isinstance(answer, bytes):
                raise self._told(answer, "SCAN")
            return answer

    def clock(self, timeout: float = 5.0) -> float:
        """The server's time, unix seconds."""
        answer = self._ask(("TIME",), timeout=timeout)
        try:
            return float(answer[0]) + float(answer[1]) / 1e6
        except (TypeError, ValueError, IndexError):
            raise self._failure("bad-answer", f"{self.address} answers TIME in an unknown shape") from None

    def whoami(self, timeout: float = 5.0) -> str:
        """The ACL user that the server takes us for."""
        return text_of(self._ask(("ACL", "WHOAMI"), timeout=timeout))

    def may(self, user: str, command: tuple[str, ...], timeout: float = 5.0) -> bool:
        """Whether that user may run a command, by ACL DRYRUN (Redis 7): it is judged and not run."""
        return not self.why_not(user, command, timeout)

    def why_not(self, user: str, command: tuple[str, ...], timeout: float = 5.0) -> str:
        """As ``may``: "" when that user may, else the server's words."""
        told = text_of(self._ask(("ACL", "DRYRUN"), user, *command, timeout=timeout))
        return "" if told == "OK" else told or "no"

    def close(self) -> None:
        """Close the connection. Never raises."""
        with self._lock:
            self._drop()

    # --- inside ---

    def _may(self, command: tuple[str, ...], arguments: tuple[Word, ...]) -> bool:
        """Whether this may be sent; the acting client's list is longer."""
        return may_be_sent(command, arguments)

    def _into_database(self, timeout: float) -> None:
        """Only keys live in a database of their own; the rest speaks for the whole server, asked from database 0."""
        if self.database:
            self._ask(("SELECT",), str(self.database), timeout=timeout)

    def _ask(self, command: tuple[str, ...], *arguments: Word, timeout: float) -> Any:
        if not self._may(command, arguments):
            words = " ".join((*command, *(text_of(word) for word in arguments)))
            raise Bug(f"{words[:60]} is not on the list of reading Redis commands")
        until = time.monotonic() + timeout
        if not self._lock.acquire(timeout=timeout):
            raise self._failure("timeout", f"the connection to {self.address} was busy for {timeout:g} s")
        try:
            connection = self._connected(timeout)

            def exchange() -> Any:
                connection.send_command(*command, *arguments)
                refuse_giant(getattr(connection, "_sock", None))
                return connection.read_response(disable_decoding=True)

            try:
                answer = self._bounded(" ".join(command), exchange, connection, until - time.monotonic())
            except CouldNotLook as failed:
                if self._connection is None and not self._answered:  # it accepts connections and never said a word
                    self._failed = (time.monotonic(), failed)
                raise
            self._answered = True
            return answer
        finally:
            self._lock.release()

    def _connected(self, timeout: float) -> Any:
        if self._connection is not None:
            return self._connection
        if self._failed is not None and time.monotonic() - self._failed[0] < _REMEMBER_SECONDS:
            raise self._failed[1]
        seconds = max(0.1, min(CONNECT_SECONDS, timeout))
        try:
            connection = self._new(seconds)
            self._bounded("connect", connection.connect, connection, seconds)
        except CouldNotLook as failed:
            self._failed = (time.monotonic(), failed)
            raise
        self._failed = None
        self._connection = connection
        return connection

    def _new(self, seconds: float) -> Any:
        try:
            from redis.backoff import NoBackoff
            from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection
            from redis.retry import Retry
        except ImportError as error:
            raise self._failure("missing-library", f"redis cannot be loaded ({error})") from None
        kind = {"rediss": SSLConnection, "unix": UnixDomainSocketConnection}.get(self._options["scheme"], Connection)
        options = {key: value for key, value in self._options.items() if key != "scheme"}
        try:
            connection = kind(
                **options, db=0, protocol=2, retry=Retry(NoBackoff(), 0), socket_timeout=seconds,
                socket_connect_timeout=seconds,
            )  # fmt: skip
        except (TypeError, ValueError):
            raise self._failure("not-configured", f"the Redis URL from {self.setting} has an unknown option") from None
        # No CLIENT SETINFO: it is no reading command, and an ACL user may lack it.
        for name in ("driver_info", "lib_name", "lib_version"):
            if hasattr(connection, name):
                setattr(connection, name, None)
        return connection

    def _bounded(self, what: str, call: Callable[[], Any], connection: Any, seconds: float) -> Any:
        import redis.exceptions as errors

        try:
            return within(max(0.05, seconds), call, abandon=connection.disconnect)
        except Expired:
            self._drop()
            raise self._failure("timeout", f"{self.address} did not answer {what} in {seconds:.1f} s") from None
        except TooLarge as giant:
            self._drop()
            raise self._failure("too-large", f"{self.address} answers {what} with {giant}") from None
        except (errors.RedisError, OSError, ValueError, IndexError, TypeError) as error:
            if not isinstance(error, errors.ResponseError):
                self._drop()
            # At maxclients the server says so and closes at once; what we had sent can cost us its words.
            words = redis_url.greeting(self._options) if is_closed(error) else ""
            raise failure(error, what, words, user=self.user, address=self.address, setting=self.setting) from None

    def _typed(self, what: str, call: Callable[[], T], connection: Any, timeout: float) -> T:
        """A short exchange in this thread, each of its reads within ``timeout``; its failures as ours."""
        import redis.exceptions as errors

        try:
            if connection._sock is not None:
                connection._sock.settimeout(timeout)
            return call()
        except (TimeoutError, errors.TimeoutError):
            self._drop()
            raise self._failure("timeout", f"{self.address} did not answer {what} in time") from None
        except Garbled as garbled:
            self._drop()
            raise self._failure("bad-answer", f"{self.address} answers {what} with {garbled}") from None
        except (errors.RedisError, OSError) as error:
            if not isinstance(error, errors.ResponseError):
                self._drop()
            raise failure(error, what, "", user=self.user, address=self.address, setting=self.setting) from None

    def _told(self, line: bytes, what: str) -> CouldNotLook:
        """The server's error line as our failure."""
        import redis.exceptions as errors

        text = line.decode("utf-8", "replace")
        kind = errors.NoPermissionError if text.startswith("NOPERM") else errors.ResponseError
        return failure(kind(text), what, "", user=self.user, address=self.address, setting=self.setting)

    def _failure(self, reason: Any, says: str) -> CouldNotLook:
        return CouldNotLook(reason, says, address=self.address, setting=self.setting)

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.disconnect()

"""KyroDB over gRPC: the Health call, raw. Its HTTP port (gRPC port + 1000) is an ordinary HTTP endpoint.

Facts about the server: domain-checks.md 2.7. grpcio is an optional package and is imported on the first call.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Any

from opsctl.clients.kyrodb_message import KyrodbHealth, decode_response, encode_request
from opsctl.config.endpoint import Endpoint
from opsctl.errors import CouldNotLook, Reason
from opsctl.redact import printable, redact

__all__ = ["METHOD", "KyrodbAnswered", "KyrodbHealth", "KyrodbReader"]

METHOD = "/kyrodb.v1.KyroDBService/Health"
PORT = 50051
_MAX_ANSWER = 2**20  # bytes; a health answer has a few hundred
_YES = ("1", "true", "yes", "on")

# What the server says about itself by a gRPC code: it is up, only this question got no answer.
_ANSWERED: dict[str, tuple[Reason, str]] = {
    "UNAUTHENTICATED": ("unauthorized", "is up, but wants other credentials (option api_key)"),
    "PERMISSION_DENIED": ("forbidden", "is up, but these credentials may not ask for its health"),
    "UNIMPLEMENTED": ("unsupported", "is up, but offers no kyrodb.v1 Health call: another product, version or path"),
    "INVALID_ARGUMENT": ("bad-query", "is up, but knows no such component"),
    "RESOURCE_EXHAUSTED": ("throttled", "is up, but refuses the call: rate or quota is used up"),
    "INTERNAL": ("server-error", "is up, but its health call failed inside"),
    "UNKNOWN": ("server-error", "is up, but its health call failed"),
}
# What the transport says when there was no answer; grpcio gives it as text only. First match wins.
_TRANSPORT: tuple[tuple[tuple[str, ...], Reason, str], ...] = (
    (("connection refused",), "refused", "connection refused at {0}: nothing listens there"),
    (("errors resolving", "dns resolution", "domain name not found", "name resolution"), "unresolved",
     "the name in {0} is not known to DNS here"),
    (("http1.x", "parsing http/2", "expected settings"), "bad-answer", "{0} answers, but does not speak gRPC"),
    (("wrong_version_number",), "tls", "{0} answers, but not in TLS; unset the option tls"),
    (("certificate", "handshake", "ssl"), "tls", "TLS with {0} fails"),
    (("timed out", "timeout"), "timeout", "no connection to {0} in time"),
    (("no route", "unreachable"), "refused", "{0} cannot be reached from this host: no route"),
    (("socket closed", "connection reset", "broken pipe", "goaway"), "closed",
     "{0} accepts the connection and closes it (a server that wants TLS looks like this too)"),
)  # fmt: skip

_starting = threading.Lock()


class KyrodbAnswered(CouldNotLook):
    """The server is up and answered, but not with its health: wrong credentials, other product, refused."""


class KyrodbReader:
    """One instance. ``address`` is ``host:port``. Thread-safe; the channel is opened by the first call."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.setting = endpoint.setting
        self.address = _address(endpoint)
        self._lock = threading.Lock()
        self._channel: Any = None
        self._call: Any = None

    def health(self, component: str = "", timeout: float = 3.0) -> KyrodbHealth:
        """Ask once. ``component``: "" for all, else cache, hot_tier, cold_tier or wal.

        Raises KyrodbAnswered when the server is up but answers an error, else CouldNotLook.
        """
        if timeout <= 0:
            raise self._failed("timeout", f"no time was left to ask {self.address}")
        ask = self._open()
        import grpc

        started = time.monotonic()
        try:
            data = ask(encode_request(component), timeout=timeout, metadata=self._metadata())
        except grpc.RpcError as error:
            raise self._named(error, timeout) from None
        except ValueError:
            # close() of another thread, or a key that cannot be sent as metadata
            raise self._failed("bad-query", f"the health call to {self.address} could not be sent") from None
        seconds = time.monotonic() - started
        try:
            return decode_response(data, seconds)
        except ValueError as error:
            says = f"{self.address} answers the Health call with something else ({printable(str(error))})"
            raise self._failed("bad-answer", says) from None

    def close(self) -> None:
        """Close the channel; a later call opens a new one."""
        with self._lock:
            channel, self._channel, self._call = self._channel, None, None
        if channel is not None:
            channel.close()

    def _open(self) -> Any:
        with self._lock:
            if self._call is None:
                self._channel = _quietly(self._dial)
                same = bytes  # the messages are encoded and decoded by us
                self._call = self._channel.unary_unary(METHOD, request_serializer=same, response_deserializer=same)
            return self._call

    def _dial(self) -> Any:
        try:
            import grpc
        except ImportError:
            says = "KyroDB speaks gRPC, which needs an optional package: pip install 'opsctl[kyrodb]'"
            raise self._failed("missing-library", says) from None
        access = self.endpoint.http
        options: list[tuple[str, Any]] = [
            ("grpc.max_receive_message_length", _MAX_ANSWER),
            ("grpc.use_local_subchannel_pool", 1),  # one reader's broken connection is not another's
        ]
        if self.address.startswith(("127.", "localhost:", "[::1]")):
            options.append(("grpc.enable_http_proxy", 0))
        if self.endpoint.options.get("tls", "").lower() not in _YES:
            return grpc.insecure_channel(self.address, options=options)
        if access.insecure_skip_verify:
            raise self._failed("unsupported", "gRPC cannot skip TLS verification; set ca_file instead")
        if access.server_name:
            options.append(("grpc.ssl_target_name_override", access.server_name))
        read = [self._file(path) for path in (access.ca_file, access.key_file, access.cert_file)]
        return grpc.secure_channel(self.address, grpc.ssl_channel_credentials(*read), options=options)

    def _file(self, path: str) -> bytes | None:
        if not path:
            return None
        try:
            with open(path, "rb") as file:  # noqa: PTH123 - pathlib would be imported for this alone
                return file.read()
        except OSError as error:
            raise self._failed("tls", f"{path} cannot be read: {error.strerror}") from None

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        pairs = [(name.lower(), value) for name, value in self.endpoint.http.headers]
        if key := self.endpoint.options.get("api_key", ""):
            pairs.append(("x-api-key", key))
        return tuple(pairs)

    def _named(self, error: Any, timeout: float) -> CouldNotLook:
        code = error.code().name
        whole = redact(printable(" ".join((error.details() or "").split())))
        words = whole[:200]
        if code in _ANSWERED:
            reason, meaning = _ANSWERED[code]
            if "larger than max" in whole:
                return self._failed("too-large", f"the health answer of {self.address} is larger than 1 MiB")
            says = f"KyroDB at {self.address} {meaning}" + (f": {words}" if words else "")
            return KyrodbAnswered(reason, says, address=self.address, setting=self.setting)
        if code == "DEADLINE_EXCEEDED":
            says = (
                f"no answer from {self.address} within {timeout:.3g} s: the server hangs, or a firewall drops packets"
            )
            return self._failed("timeout", says)
        lower = whole.lower()
        for texts, reason, sentence in _TRANSPORT:
            if any(text in lower for text in texts):
                return self._failed(reason, sentence.format(self.address))
        return self._failed("closed", f"no answer from {self.address} ({code}): {words}")

    def _failed(self, reason: Reason, says: str) -> CouldNotLook:
        return CouldNotLook(reason, says, address=self.address, setting=self.setting)


def _quietly(dial: Any) -> Any:
    """Start grpcio without its chatter on stderr, and leave the environment as it was.

    The library reads GRPC_VERBOSITY once, when its core starts; a value that the user set is respected.
    """
    with _starting:
        if "GRPC_VERBOSITY" in os.environ:
            return dial()
        os.environ["GRPC_VERBOSITY"] = "NONE"
        try:
            return dial()
        finally:
            os.environ.pop("GRPC_VERBOSITY", None)


def _address(endpoint: Endpoint) -> str:
    """``host:port`` of an address that may carry a scheme, a login, a path; raises CouldNotLook("unresolved")."""
    from urllib.parse import urlsplit

    url = endpoint.url.strip()
    try:
        parts = urlsplit(url if "://" in url else f"grpc://{url}")
        host, port = parts.hostname or "", parts.port or PORT
    except ValueError:
        host, port = "", 0
    if not host:
        says = f"the address of {endpoint.name} is not host:port"
        raise CouldNotLook("unresolved", says, setting=endpoint.setting)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

"""What the simulated Vritti calls: KyroDB by gRPC, a language model over HTTP. Failures are two built-in errors."""

from __future__ import annotations

import http.client
import json
import threading
from typing import Any, ClassVar

from opsctl.lab.identity import HOST

SERVICE = "/kyrodb.v1.KyroDBService/"
DEADLINE = 2.0  # seconds per call
MODEL_DEADLINE = 5.0


class Timeout(Exception):
    """The other side did not answer before the deadline."""


class Kyrodb:
    """A channel to each instance. Raises Timeout, or ConnectionError with the gRPC code."""

    def __init__(self, ports: dict[str, int]) -> None:
        import grpc

        self.open = False  # the breaker: while it is open no call leaves the process

        self._grpc = grpc
        self.instances = tuple(ports)
        self._calls: dict[tuple[str, str], Any] = {}
        options = [("grpc.max_reconnect_backoff_ms", 1000), ("grpc.initial_reconnect_backoff_ms", 200)]
        for instance, port in ports.items():
            channel = grpc.insecure_channel(f"{HOST}:{port}", options=options)
            for method in ("Health", "Query", "Insert"):
                self._calls[instance, method] = channel.unary_unary(
                    SERVICE + method, request_serializer=None, response_deserializer=None
                )

    def call(self, method: str, instance: str) -> None:
        """One data call."""
        if self.open:
            raise ConnectionError("UNAVAILABLE: circuit breaker is open")
        try:
            self._calls[instance, method](b"", timeout=DEADLINE)
        except self._grpc.RpcError as error:
            if error.code() is self._grpc.StatusCode.DEADLINE_EXCEEDED:
                raise Timeout("deadline exceeded") from error
            raise ConnectionError(f"{error.code().name}: {error.details()}") from error

    def health(self, instance: str) -> None:
        """The Health call. A status other than healthy is only a warning to the service, as in the original."""
        try:
            self.call("Health", instance)
        except Timeout as error:
            raise ConnectionError(str(error)) from error


class Model:
    """The language-model provider. Raises ConnectionError."""

    names: ClassVar[dict[str, str]] = {"cheap": "anthropic/claude-3-haiku", "premium": "openai/gpt-4o"}

    def __init__(self, port: int) -> None:
        self._port = port
        self._local = threading.local()

    def complete(self, name: str, prompt: str) -> dict[str, Any]:
        """One completion over a connection kept per thread; the provider's answer."""
        body = json.dumps({"model": name, "messages": [{"role": "user", "content": prompt}]})
        link: http.client.HTTPConnection | None = getattr(self._local, "link", None)
        if link is None:
            link = self._local.link = http.client.HTTPConnection(HOST, self._port, timeout=MODEL_DEADLINE)
        try:
            link.request("POST", "/api/v1/chat/completions", body, {"Content-Type": "application/json"})
            answer = link.getresponse()
            came = answer.read()
        except (OSError, http.client.HTTPException) as error:
            link.close()
            raise ConnectionError(f"{type(error).__name__}: {error}") from error
        if answer.status != 200:
            raise ConnectionError(f"HTTP {answer.status} from the provider")
        found: dict[str, Any] = json.loads(came)
        return found

"""Servers that note what planning asks of them, with enough going on that every action finds something to do.

A ``Place`` is one system with its notes: ``hands`` look at it as the engine's would, ``asked`` says everything that
reached it since ``begin``, and whether that could have changed anything.
"""

from __future__ import annotations

import re
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import httpx
import msgspec

from opsctl.actions.hands import Hands
from opsctl.clients.readers import Readers
from opsctl.clients.writers import Writers
from opsctl.config.endpoint import Endpoint
from opsctl.errors import NotConfigured
from opsctl.services.measured import signals_of
from opsctl.services.model import Profile
from tests.acceptance.test_no_writes import ACTS, READS, REDIS_READS, REDIS_SUBCOMMANDS, comments_off, statements
from tests.fakes.kyrodb import Kyrodb
from tests.fakes.rawserver import Proxy
from tests.fakes.recording import Answer, Recorder, Seen
from tests.fakes.supervisors import Host
from tests.servers.kube import Kube
from tests.servers.redis import Redis

ASKING = {"show", "jlist", "inspect", "status", "list", "ps"}  # of systemctl, pm2, docker, nft, an adapter's program
ACL_READS = {"whoami", "dryrun"}  # ACL DRYRUN tells whether a user may, and runs nothing


class Line(NamedTuple):
    """Something that reached a server: in few words, and whether it may have changed anything there."""

    says: str
    wrote: bool


class Place:
    """A system with all that notes what reaches it. ``names``: what parameters may call by name."""

    def __init__(self, hands: Hands, *noting: Any, **names: str) -> None:
        self.hands = hands
        self.names = names
        self._noting = noting

    def begin(self) -> None:
        """Forget what was asked until now."""
        for one in self._noting:
            one.begin()

    def asked(self) -> list[Line]:
        """Everything that has reached it since."""
        return [line for one in self._noting for line in one.asked()]


@contextmanager
def hands_on(
    profile: Profile, urls: Mapping[str, str | Endpoint], environ: Mapping[str, str] | None = None
) -> Iterator[Hands]:
    """Hands with these endpoints, as somebody has them who plans and does not act yet: no run, nobody to stop."""

    def resolve(name: str) -> Endpoint:
        if name not in urls:
            raise NotConfigured(f"no endpoint {name}")
        given = urls[name]
        return given if isinstance(given, Endpoint) else Endpoint(name=name, url=given, setting=f"test {name}")

    readers, writers = Readers(resolve), Writers(resolve)
    try:
        yield Hands(
            profile=profile,
            settings=cast(Any, SimpleNamespace(context="test", environ=dict(environ or {}))),
            readers=readers,
            writers=writers,
            signals=signals_of(readers, profile),
            now=time.time(),
            actor="ana@bastion",
        )
    finally:
        writers.close()
        readers.close()


# Postgres and PgBouncer ------------------------------------------------------------------------------------------


class StatementLog:
    """What opsctl's sessions said, by the server's own log."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._from = 0

    def begin(self) -> None:
        self._from = self._path.stat().st_size

    def asked(self) -> list[Line]:
        text = self._path.read_bytes()[self._from :].decode(errors="replace")
        return [
            Line(_statement(one), not READS.match(one) or bool(ACTS.search(comments_off(one))))
            for one in statements(text)
        ]


def _statement(text: str) -> str:
    bare = comments_off(text)
    names = dict.fromkeys(re.findall(r"\b(?:FROM|JOIN)\s+(pg_\w+)", bare))
    return f"{bare.split()[0].upper()} {', '.join(names)}".strip() if names else " ".join(bare.split())[:60]


class Console(Proxy):
    """PgBouncer's console behind a wire that notes every query of the simple protocol, the only one it speaks."""

    _from = 0

    def begin(self) -> None:
        self._from = len(self.sent)

    def asked(self) -> list[Line]:
        sent = self.sent[self._from :]
        found = []
        for match in re.finditer(rb"Q(.{4})([^\0]*)\0", sent, re.DOTALL):
            if struct.unpack("!I", match[1])[0] == len(match[2]) + 5:
                text = match[2].decode()
                found.append(Line(text, not text.upper().startswith("SHOW ")))
        return found


# Redis -----------------------------------------------------------------------------------------------------------


class Monitor:
    """Every command that a Redis is sent, by its MONITOR."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._seen: list[list[str]] = []
        self._over = threading.Event()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._watch, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(10)

    def _watch(self, ready: threading.Event) -> None:
        with self._redis.client() as client, client.monitor() as monitor:
            ready.set()
            while not self._over.is_set():
                words = str(monitor.next_command()["command"]).split()
                self._seen.append(words)
                if words[:1] == ["ECHO"]:
                    self._over.set()

    def begin(self) -> None:
        self._seen.clear()

    def asked(self) -> list[Line]:
        with self._redis.client() as client:
            client.echo("enough")  # what was sent before it is seen before it
        self._thread.join(10)
        assert self._over.is_set(), "MONITOR has lost its connection"
        named = [[word.lower() for word in words[:2]] for words in self._seen if words and words[0] != "ECHO"]
        return [Line(" ".join(words[: 1 + (words[0] in _FAMILIES)]), not _looks(words)) for words in named]


_FAMILIES = {**REDIS_SUBCOMMANDS, "acl": ACL_READS}


def _looks(words: list[str]) -> bool:
    if words[0] in _FAMILIES:
        return len(words) > 1 and words[1] in _FAMILIES[words[0]]
    return words[0] in REDIS_READS | {"time"}


# HTTP and Kubernetes, gRPC ---------------------------------------------------------------------------------------


class Passing(Recorder):
    """A recorder before a real server, with all headers: keys and tokens pass. TLS ends here."""

    def __init__(self, client: httpx.Client) -> None:
        super().__init__(upstream=str(client.base_url))
        self._client = client

    def _forward(self, seen: Seen) -> Answer:
        headers = {k: v for k, v in seen.headers.items() if k not in ("host", "connection", "accept-encoding")}
        target = seen.path + (f"?{seen.query}" if seen.query else "")
        got = self._client.request(seen.method, target, content=seen.body or None, headers=headers)
        return got.status_code, got.headers.get("content-type", "text/plain"), got.content

    def begin(self) -> None:
        self.seen.clear()

    def asked(self) -> list[Line]:
        return [Line(f"{one.method} {_short(one)}", not one.is_read and not _dry(one)) for one in self.seen]


def _dry(seen: Seen) -> bool:
    """A change that the API server only rehearses: said in the query, or in the options that the body carries."""
    if "dryRun=All" in seen.query.split("&"):
        return True
    body = msgspec.json.decode(seen.body) if "json" in seen.headers.get("content-type", "") else {}
    return isinstance(body, dict) and (body.get("deleteOptions") or body).get("dryRun") == ["All"]


def _short(seen: Seen) -> str:
    found = re.search(r"/namespaces/[^/]+/([a-z]+)(?:/[^/]+(/[a-z]+)?)?$", seen.path)
    path = f"{found[1]}{found[2] or ''}" if found else seen.path
    return f"{path} as a dry run" if seen.method != "GET" and _dry(seen) else path


def before_kube(kube: Kube) -> Passing:
    """A recorder before the API server, which passes requests on as whoever sent them."""
    import ssl

    trust = ssl.create_default_context(cafile=str(kube.files.ca))
    return Passing(httpx.Client(base_url=kube.url, verify=trust, trust_env=False, timeout=30))


def before(url: str) -> Passing:
    """A recorder before a server on this host."""
    return Passing(httpx.Client(base_url=url, trust_env=False, timeout=30))


class GrpcCalls:
    """What a KyroDB was asked; it offers Health alone."""

    def __init__(self, server: Kyrodb) -> None:
        self._server = server

    def begin(self) -> None:
        self._server.asked.clear()

    def asked(self) -> list[Line]:
        return [Line("grpc Health", False) for _ in self._server.asked]


# Programs --------------------------------------------------------------------------------------------------------


class Programs:
    """Supervisors and nft on PATH, which note how they are called."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._from = 0

    def begin(self) -> None:
        self._from = len(self.host.calls())

    def asked(self) -> list[Line]:
        return [
            Line(" ".join([call["program"], *_brief(call["argv"])]), not ASKING & set(call["argv"]))
            for call in self.host.calls()[self._from :]
        ]


def _brief(argv: list[str]) -> list[str]:
    return [word for word in argv if not word.startswith("--property=")]

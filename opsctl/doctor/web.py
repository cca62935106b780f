"""HTTP endpoints: a service's health, its metrics page, KyroDB's HTTP port; webhooks and mail only by their port."""

from __future__ import annotations

import socket
import time
from urllib.parse import urlsplit

from opsctl.clients.deadline import Expired, within
from opsctl.clients.http import HttpReader
from opsctl.clients.http_answer import HttpAnswer
from opsctl.clients.proxy import proxy_for
from opsctl.config.endpoint import Endpoint
from opsctl.doctor import certificate, clock
from opsctl.doctor.model import Checks, Remedy
from opsctl.doctor.site import Site
from opsctl.errors import CouldNotLook
from opsctl.signals.exposition import NotMetrics, Page

_PORTS = {"http": 80, "https": 443, "smtp": 25, "smtps": 465}
_MOST = 64 * 2**20


def examine(site: Site, checks: Checks, until: float) -> None:
    """Reach it, and read what it says. Raises CouldNotLook when it cannot be reached."""
    assert site.endpoint is not None
    if site.kind in ("smtp", "webhook"):  # to ask them anything would mean to use them
        _port(site.endpoint, checks, until)
        return
    reader = HttpReader(site.endpoint)
    try:
        page = site.kind == "metrics"
        answer = ask(reader, checks, until, "/health" if site.kind == "kyrodb-http" else "")
        words = f"HTTP {answer.status} in {answer.seconds * 1000:.0f} ms{by_way_of(reader)}"
        if answer.status in (401, 403):
            _refused(site, answer, checks)
        elif page and answer.status == 200:
            _page(answer, checks, words)
        elif page or _wants_200(site):
            _judge(site, answer, checks, words)
        else:
            checks.ok("reachable", words)
    finally:
        reader.close()


def ask(reader: HttpReader, checks: Checks, until: float, path: str = "") -> HttpAnswer:
    """GET with everything that any HTTP server is asked besides: its name, its certificate, its clock.

    Raises CouldNotLook when there is no answer; any status is one.
    """
    checks.address = reader.address
    parts = urlsplit(reader.address)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    proxied = reader.endpoint.http.proxy_url or proxy_for(parts)
    if not proxied:
        certificate.addresses(host, port, until)
        if parts.scheme == "https":
            certificate.look(checks, host, port, until, name=reader.endpoint.http.server_name)
    before = time.time()
    answer = reader.get(path, timeout=max(0.1, min(5.0, until - time.monotonic())), accept=None, max_bytes=_MOST)
    after = time.time()
    if answer.date is not None and not answer.headers.get("age"):  # a cache tells its own past
        clock.compare(checks, answer.date.timestamp(), before=before, after=after, resolution=1.0)
    return answer


def by_way_of(reader: HttpReader) -> str:
    """`` through the proxy …`` when one is used."""
    proxy = reader.endpoint.http.proxy_url or proxy_for(urlsplit(reader.address))
    return f" through the proxy {urlsplit(proxy).hostname}" if proxy else ""


def _wants_200(site: Site) -> bool:
    """A health endpoint says so by its status; an application's root may answer anything."""
    return site.kind == "kyrodb-http" or any(use.name in ("health", "readiness") for use in site.uses)


def _judge(site: Site, answer: HttpAnswer, checks: Checks, words: str) -> None:
    if answer.status == 200:
        checks.ok("reachable", words)
        return
    where = f"{answer.url} answers {words}"
    if answer.status == 404:
        how = f"Correct the path with {site.setting}"
        need = "objective" if checks.needed else "optional"
        checks.breach("reachable", f"{where}: there is nothing at this path", Remedy(how=how), need=need)  # type: ignore[arg-type]
    else:  # it was reached; that it is not well is for a diagnosis to say
        checks.ok("reachable", f"{where}: it can be reached, and says that it is not well")


def _refused(site: Site, answer: HttpAnswer, checks: Checks) -> None:
    what = "credentials are missing or wrong" if answer.status == 401 else "these credentials may not read it"
    use = site.uses[0] if site.uses else None
    owner = f"services.{use.profile.service}.endpoints.{use.name}" if use is not None else site.name
    checks.breach(
        "credentials",
        f"{answer.url} answers HTTP {answer.status}: {what}",
        Remedy(how=f"In opsctl.yaml, under {owner} of the context, the credentials by reference", run=access(site)),
        need="objective" if checks.needed else "optional",
    )


def access(site: Site) -> str:
    """YAML that gives an endpoint a bearer token from a file; the address is as it is now."""
    url = site.endpoint.url if site.endpoint is not None else "http://…"
    parts = urlsplit(url)
    clean = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return f"{{url: {clean}, http_config: {{authorization: {{credentials_file: {site.name}.token}}}}}}"


def _page(answer: HttpAnswer, checks: Checks, words: str) -> None:
    try:
        Page(answer.body, content_type=answer.headers.get("content-type", ""))
    except NotMetrics as error:
        raise CouldNotLook("bad-answer", f"{answer.url}: {error}", address=answer.url) from None
    checks.ok("reachable", f"{words}, {len(answer.body) / 1024:,.0f} KiB of metrics")


def _port(endpoint: Endpoint, checks: Checks, until: float) -> None:
    parts = urlsplit(endpoint.url if "://" in endpoint.url else f"//{endpoint.url}")
    host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 443)
    checks.address = f"{host}:{port}"

    def fail(reason: str, says: str) -> CouldNotLook:
        return CouldNotLook(reason, says, address=checks.address, setting=endpoint.setting)  # type: ignore[arg-type]

    certificate.addresses(host, port, until)
    try:
        within(
            max(0.1, min(3.0, until - time.monotonic())),
            lambda: socket.create_connection((host, port), timeout=3.0).close(),
        )
    except (Expired, TimeoutError):
        raise fail("timeout", f"{checks.address} did not accept a connection in time") from None
    except OSError as error:
        raise fail("refused", f"{checks.address} does not accept connections ({error.strerror})") from None
    if parts.scheme == "https":
        certificate.look(checks, host, port, until)
    checks.ok("reachable", "the port accepts connections; more was not asked, that would use it")

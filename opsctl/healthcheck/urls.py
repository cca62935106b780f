"""Plain HTTP addresses: 2xx is ok, and what a JSON answer says of itself counts; 3xx and 4xx warn, 5xx is critical."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

from opsctl.clients.http_answer import HttpAnswer, first_words
from opsctl.clients.http_fetch import Got, Place
from opsctl.clients.http_many import get_all
from opsctl.errors import CouldNotLook
from opsctl.healthcheck.judge import lost, state_of
from opsctl.healthcheck.model import Check, Subject, subject_of, tidy
from opsctl.model import VerdictWord

EACH = 10.0  # seconds for one address, when the whole time is longer


def look_at_urls(urls: Sequence[str], *, deadline: float) -> list[Subject]:
    """One subject per address, in order; ``deadline`` as time.monotonic()."""
    by_proxy = {url for url in urls if _proxied(url)}
    direct = [url for url in urls if url not in by_proxy]
    answers = dict(zip(direct, get_all(direct, deadline=deadline, each=EACH), strict=True))
    if by_proxy:
        answers.update(_by_proxy(sorted(by_proxy), deadline))
    now = time.time()
    return [_subject(url, answers[url], now) for url in urls]


def _subject(url: str, got: Got, now: float) -> Subject:
    name = tidy(got.answer.url) if got.answer is not None else _shown(url)
    if got.error is not None:
        check = lost(name, "url", got.error, got.seconds)
    else:
        assert got.answer is not None
        state, says = _told(got.answer, now)
        check = Check(
            name=name,
            system="url",
            state=state,
            says=says if state == "ok" else tidy(says),
            address=name,
            seconds=round(got.seconds, 3),
            answered=round(got.answer.seconds, 4),
        )
    return subject_of(name, "url", [check])


def _told(answer: HttpAnswer, now: float) -> tuple[VerdictWord, str]:
    status = answer.status
    if 200 <= status < 300:
        if not _is_json(answer):
            return "ok", f"HTTP {status} in {answer.seconds * 1000:.0f} ms"
        from opsctl.probes.http import opinion

        finding = opinion(answer, now)
        state = state_of(finding)
        return state, f"HTTP {status} in {answer.seconds * 1000:.0f} ms" if state == "ok" else finding.says
    if status < 400:
        return "warning", f"HTTP {status}: it redirects to {answer.headers.get('location', 'nowhere')}"
    words = first_words(answer.body)
    return "critical" if status >= 500 else "warning", f"HTTP {status}" + (f": {words}" if words else "")


def _is_json(answer: HttpAnswer) -> bool:
    return "json" in answer.content_type or answer.body[:64].lstrip()[:1] == b"{"


def _shown(url: str) -> str:
    try:
        return tidy(Place.of(url).shown)
    except CouldNotLook:
        return tidy(url)


def _proxied(url: str) -> bool:
    """Whether the environment names a proxy for this address; without any it is not even looked for."""
    if not any(name.lower().endswith("_proxy") and name.lower() != "no_proxy" for name in os.environ):
        return False
    from opsctl.clients.proxy import proxy_for

    try:
        return bool(proxy_for(urlsplit(url if "://" in url else f"http://{url}")))
    except ValueError:
        return False


def _by_proxy(urls: Sequence[str], deadline: float) -> dict[str, Got]:
    """Through the client that knows proxies, some at a time."""
    from concurrent.futures import ThreadPoolExecutor

    from opsctl.clients.http import HttpReader
    from opsctl.config.endpoint import Endpoint

    def ask(url: str) -> Got:
        began = time.monotonic()
        try:
            reader = HttpReader(Endpoint(name="url", url=url, setting=""))
            answer = reader.get(timeout=min(EACH, deadline - began), accept=None, max_bytes=2**20)
        except CouldNotLook as failed:
            return Got(error=failed, seconds=time.monotonic() - began)
        reader.close()
        return Got(answer, None, answer.seconds)

    with ThreadPoolExecutor(max_workers=32) as pool:
        return dict(zip(urls, pool.map(ask, urls), strict=True))

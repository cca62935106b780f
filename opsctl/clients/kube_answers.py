"""What the API server's refusals mean: a ``Status`` object, or the page of something in between."""

from __future__ import annotations

import re

import msgspec

from opsctl.clients.http_answer import HttpAnswer, first_words, what_came
from opsctl.clients.kube_reads import Asked
from opsctl.clients.typed import ready
from opsctl.errors import CouldNotLook, Reason
from opsctl.redact import printable, redact

_USER = re.compile(r'User "([^"]*)"')
_ALWAYS_THERE = frozenset({"", "apps"})  # API groups that every server has


class Details(msgspec.Struct):
    """Of a Status: which object it is about."""

    name: str = ""


class Status(msgspec.Struct):
    """The part of a Kubernetes ``Status`` that is used."""

    kind: str = ""
    message: str = ""
    reason: str = ""
    details: Details | None = None


def status_of(answer: HttpAnswer) -> Status | None:
    """The Status in an answer, None when something else came."""
    try:
        status = msgspec.json.decode(answer.body, type=ready(Status))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return status if status.kind == "Status" else None


def failure(asked: Asked, answer: HttpAnswer) -> CouldNotLook:
    """Why ``asked`` was not answered."""
    if answer.wants_tls:
        return CouldNotLook(
            "tls", "the cluster's server is a TLS port spoken to in plain HTTP; its address must begin with https://"
        )
    status = status_of(answer)
    words = redact(printable(status.message))[:300] if status else first_words(answer.body)
    if status is None and answer.is_html:
        says = f"HTTP {answer.status} with {what_came(answer)} came for {asked.what}: that is not the API server"
        return CouldNotLook(_html_reason(answer.status), says)
    reason, says = _meaning(asked, answer, status)
    told = reason == "not-found" or (reason == "forbidden" and status is not None)  # our sentence has all of theirs
    return CouldNotLook(reason, says if told or not words else f"{says} ({words})")


def _html_reason(status: int) -> Reason:
    by_status: dict[int, Reason] = {401: "unauthorized", 403: "forbidden", 407: "unauthorized", 429: "throttled"}
    return by_status.get(status, "server-error" if status >= 500 else "bad-answer")


def _meaning(asked: Asked, answer: HttpAnswer, status: Status | None) -> tuple[Reason, str]:
    code = answer.status
    if code == 401:
        return "unauthorized", "the API server does not accept the credentials of this context (HTTP 401)"
    if code == 403:
        user = _USER.search(status.message) if status else None
        who = f"user {printable(user.group(1))}" if user else "this context's user"
        return "forbidden", f"{who} may not {asked.verb or 'get'} {asked.what}; missing is {asked.rule}"
    if code == 404:
        return _absent(asked, status)
    if code == 410:
        return "bad-answer", f"the list of {asked.what} changed while its pages were read (HTTP 410)"
    if code == 429:
        after = printable(answer.headers.get("retry-after", ""))[:20]
        return "throttled", "the API server asks to slow down (HTTP 429)" + (
            f", retry after {after} s" if after else ""
        )
    if code == 400 and asked.subresource == "log":
        return "no-data", f'there is no such log of {asked.resource} "{asked.name}"'
    if code == 400:
        return "bad-query", f"the API server rejects the question for {asked.what} (HTTP 400)"
    if code in (406, 415, 501):
        return "unsupported", f"the API server does not offer {asked.what} this way (HTTP {code})"
    if code >= 500:
        return "server-error", f"the API server failed on {asked.what} (HTTP {code})"
    return "bad-answer", f"HTTP {code} came for {asked.what}"


def _absent(asked: Asked, status: Status | None) -> tuple[Reason, str]:
    if status is not None and status.details is not None and status.details.name:
        return "not-found", f"{asked.what} does not exist"
    if asked.group in _ALWAYS_THERE and status is None:
        return "bad-answer", f"HTTP 404 for {asked.path}: this address does not look like a Kubernetes API server"
    api = f"{asked.group}/{asked.version}" if asked.group else asked.version
    return "unsupported", f"the API server does not offer {api} {asked.resource}" if api else f"no {asked.path} here"

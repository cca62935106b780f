"""The API server's answers as plain values: lists, permissions, logs, metadata. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from opsctl.clients.http_answer import HttpAnswer, what_came
from opsctl.clients.kube_reads import Asked
from opsctl.clients.typed import ready
from opsctl.errors import CouldNotLook
from opsctl.redact import printable, redact

_LINE = 4000  # characters shown of one line of a log
_METADATA = "application/json;as=PartialObjectMetadata{list};g=meta.k8s.io;v=v1"
_RETRY_AFTER = 2.0  # seconds; a longer wait is told instead of waited


class Items(NamedTuple):
    """A list. ``cut``: why it is not complete, "" when it is; then absence proves nothing."""

    items: tuple[dict[str, Any], ...]
    cut: str = ""


class Permission(NamedTuple):
    """The API server's own answer to "may I?"."""

    allowed: bool
    says: str = ""


class PodLog(NamedTuple):
    """Lines of one container, oldest first, as the kubelet gives them. ``cut``: older ones were left out."""

    lines: tuple[str, ...]
    cut: bool = False


class _Review(msgspec.Struct):
    allowed: bool = False
    reason: str = ""
    evaluationError: str = ""  # noqa: N815 - the API's name


class _ReviewAnswer(msgspec.Struct):
    kind: str
    status: _Review


def decoded(question: Asked, answer: HttpAnswer) -> dict[str, Any]:
    """An answer as an object; of what is read for its metadata only, that alone. Raises CouldNotLook."""
    try:
        body = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise not_kubernetes(question, answer) from None
    if not isinstance(body, dict) or not (body.get("kind") or question.path == "version"):
        raise not_kubernetes(question, answer)
    return _bare(question, body) if question.metadata_only else body


def permission(question: Asked, answer: HttpAnswer) -> Permission:
    """The answer to an access review. Raises CouldNotLook."""
    try:
        status = msgspec.json.decode(answer.body, type=ready(_ReviewAnswer)).status
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise not_kubernetes(question, answer) from None
    return Permission(status.allowed, redact(printable(status.reason or status.evaluationError))[:300])


def pod_log(question: Asked, answer: HttpAnswer, lines: int, max_bytes: int) -> PodLog:
    """A log's text as lines without secrets and control characters. Raises CouldNotLook when a page came instead."""
    if answer.is_html:
        raise not_kubernetes(question, answer)
    text = answer.body.decode("utf-8", "replace")
    told = [redact(printable(line))[:_LINE] for line in text.splitlines()]
    return PodLog(tuple(told), cut=len(told) >= lines or len(answer.body) >= max_bytes)


def accept(question: Asked) -> dict[str, str] | None:
    """The header that keeps values on the server, for what is read for its metadata only."""
    if not question.metadata_only:
        return None
    return {"Accept": _METADATA.format(list="" if question.name else "List")}


def pause(answer: HttpAnswer) -> float:
    """Seconds to wait before asking again, infinity when that is too long or not said."""
    after = answer.headers.get("retry-after", "").strip()
    return float(after) if after.isdigit() and float(after) <= _RETRY_AFTER else float("inf")


def items_of(question: Asked, body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The objects of one page. Raises CouldNotLook when it is no list."""
    items = body.get("items")
    if items is None and str(body.get("kind", "")).endswith("List"):
        return []  # Go writes an empty list as null
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise CouldNotLook("bad-answer", f"the answer for {question.what} is not a list of objects")
    return items


def metadata(body: Mapping[str, Any], key: str) -> str:
    """One word of the metadata, "" when it is not there."""
    found = body.get("metadata")
    value = found.get(key) if isinstance(found, dict) else None
    return "" if value is None else str(value)


def _bare(question: Asked, body: dict[str, Any]) -> dict[str, Any]:
    """Metadata alone, also of a server that sent more; without annotations, in which kubectl keeps the values."""
    if not str(body.get("kind", "")).startswith("PartialObjectMetadata"):
        says = f"the API server gives {question.what} with their values only, which opsctl does not read"
        raise CouldNotLook("unsupported", says)
    items = body.get("items")
    for each in items if isinstance(items, list) else [body]:
        metadata = each.get("metadata") if isinstance(each, dict) else None
        if isinstance(metadata, dict):
            metadata.pop("annotations", None)
    return body


def not_kubernetes(question: Asked, answer: HttpAnswer) -> CouldNotLook:
    """Something else answered."""
    says = f"{what_came(answer)} came for {question.what} instead of a Kubernetes object"
    return CouldNotLook("bad-answer", says)

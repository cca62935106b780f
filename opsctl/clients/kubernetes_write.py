"""The write side of Kubernetes: patch, create, delete, evict; each also as a server-side dry run.

Everything the reader can, with the same credentials, and changes to an allow-list of resources. Nothing is sent twice:
only what the server answered with 401 before doing it is sent again, with new credentials.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from opsctl.clients.http_answer import HttpAnswer
from opsctl.clients.http_write import HttpWriter, may_have_happened
from opsctl.clients.kube_answers import failure, status_of
from opsctl.clients.kube_items import decoded
from opsctl.clients.kube_login import Login
from opsctl.clients.kube_reads import Asked, collection
from opsctl.clients.kubernetes import PAGE_BYTES, KubernetesReader, _Named
from opsctl.config.endpoint import Endpoint
from opsctl.errors import CouldNotLook, Reason
from opsctl.redact import printable, redact

MANAGER = "opsctl"
EVICTION_V1 = (1, 22)  # policy/v1 Eviction; the server before it knows policy/v1beta1 only
WRITABLE = {  # (group, resource, subresource) -> verbs
    ("apps", "deployments", ""): frozenset({"patch"}),
    ("apps", "statefulsets", ""): frozenset({"patch"}),
    ("apps", "daemonsets", ""): frozenset({"patch"}),
    ("apps", "deployments", "scale"): frozenset({"patch"}),
    ("apps", "statefulsets", "scale"): frozenset({"patch"}),
    ("autoscaling", "horizontalpodautoscalers", ""): frozenset({"patch"}),
    ("", "pods", ""): frozenset({"patch", "delete"}),
    ("", "pods", "eviction"): frozenset({"create"}),
}
_NAME = r"[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?"
_PATH = re.compile(
    rf"(?:api|apis/(?P<group>{_NAME}))/(?P<version>v[0-9][a-z0-9]*)/namespaces/(?P<namespace>{_NAME})"
    rf"/(?P<resource>[a-z]+)(?:/(?P<name>{_NAME}))?(?:/(?P<subresource>scale|eviction))?"
)
_METHODS = {"patch": "PATCH", "create": "POST", "delete": "DELETE"}
_SEVERAL = "more than one PodDisruptionBudget"

PatchKind = Literal["strategic-merge", "merge", "json"]
Word = Literal["conflict", "gone", "forbidden", "blocked", "throttled", "invalid", "unknown"]


class NotWritten(CouldNotLook):
    """A change that did not take effect. ``word`` says why; only after "unknown" it may have taken effect.

    ``conflict``: the object is no longer the one that was seen; ``gone``: there is none; ``forbidden``: missing right,
    or an admission webhook or quota says no; ``blocked``: by a disruption budget; ``throttled``; ``invalid``.
    """

    def __init__(self, word: Word, reason: Reason, says: str) -> None:
        super().__init__(reason, says)
        self.word: Word = word


class KubernetesWriter(KubernetesReader):
    """One context of a kubeconfig. Calls raise NotWritten for what the server says, CouldNotLook before it was asked.

    A ``dry_run`` passes the server's authorization, admission and validation, and is not stored. ``timeout``: seconds.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint)
        self._writer: HttpWriter | None = None
        self._written_as: Login | None = None

    def patch(
        self,
        path: str,
        body: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        kind: PatchKind = "merge",
        *,
        dry_run: bool = False,
        timeout: float = 10.0,
    ) -> dict[str, Any]:
        """Change one object, or its scale; what it is afterwards. With metadata.resourceVersion in ``body``: only if it
        is still that one, else "conflict"."""
        return self._change("patch", path, body, f"application/{kind}-patch+json", dry_run, timeout)

    def create(
        self, path: str, body: Mapping[str, Any], *, dry_run: bool = False, timeout: float = 10.0
    ) -> dict[str, Any]:
        """Create one object in the collection at ``path``."""
        return self._change("create", path, body, "application/json", dry_run, timeout)

    def delete(
        self, path: str, *, uid: str, resource_version: str = "", dry_run: bool = False, timeout: float = 10.0
    ) -> dict[str, Any]:
        """Delete the object at ``path`` if it is the one of that uid, with the grace period it asks for itself."""
        only = {"uid": uid, **({"resourceVersion": resource_version} if resource_version else {})}
        body: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": only}
        return self._change("delete", path, _dry(body) if dry_run else body, "application/json", dry_run, timeout)

    def evict(
        self, namespace: str, pod: str, *, uid: str, dry_run: bool = False, timeout: float = 10.0
    ) -> dict[str, Any]:
        """Evict the pod of that uid, which disruption budgets may forbid ("blocked")."""
        options: dict[str, Any] = {"preconditions": {"uid": uid}}
        body = {
            "apiVersion": f"policy/{self.eviction_version(timeout)}",
            "kind": "Eviction",
            "metadata": {"name": pod, "namespace": namespace},
            "deleteOptions": _dry(options) if dry_run else options,
        }
        path = f"{collection('', 'v1', 'pods', namespace, pod)}/eviction"
        return self._change("create", path, body, "application/json", dry_run, timeout)

    def eviction_version(self, timeout: float = 5.0) -> str:
        """``v1`` or ``v1beta1``, by the server's version; v1 where it does not tell. Raises CouldNotLook."""
        told = self.get("version", timeout=timeout)
        numbers = [re.match(r"\d+", str(told.get(key, ""))) for key in ("major", "minor")]
        if not all(numbers):
            return "v1"
        return "v1" if tuple(int(n[0]) for n in numbers if n) >= EVICTION_V1 else "v1beta1"

    def close(self) -> None:
        """As of the reader."""
        super().close()
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _change(self, verb: str, path: str, body: Any, content: str, dry_run: bool, timeout: float) -> dict[str, Any]:
        question = _question(verb, path)
        query = {} if verb == "delete" else {"fieldManager": MANAGER}
        query |= {"dryRun": "All"} if dry_run else {}
        headers = {"Content-Type": content, "Accept": "application/json"}
        until = time.monotonic() + timeout
        renewed = False
        with _Named(self, question):
            while True:
                writer = self._login_to_write(until, again=renewed)
                try:
                    answer = writer.send_json(
                        _METHODS[verb],
                        question.path,
                        body,
                        timeout=until - time.monotonic(),
                        headers=headers,
                        params=query,
                        max_bytes=PAGE_BYTES,
                    )
                except CouldNotLook as failed:
                    if dry_run or not may_have_happened(failed):
                        raise
                    raise NotWritten("unknown", failed.reason, f"sent, and no answer tells: {failed.says}") from None
                if answer.status in (200, 201, 202):
                    return self._after(question, answer, dry_run)
                if answer.status == 401 and not renewed and self._login is not None and self._login.renewable:
                    renewed = True
                    continue
                raise not_written(question, answer, dry_run)

    def _after(self, question: Asked, answer: HttpAnswer, dry_run: bool) -> dict[str, Any]:
        try:
            return decoded(question, answer)
        except CouldNotLook as strange:
            if dry_run:
                raise
            raise NotWritten("unknown", strange.reason, f"HTTP {answer.status} came, and {strange.says}") from None

    def _login_to_write(self, until: float, *, again: bool) -> HttpWriter:
        self._connected(until, again=again)
        with self._lock:
            login = self._login
            if login is None:
                raise CouldNotLook("closed", "the connection was closed while it was to be used")
            if self._writer is None or self._written_as is not login:
                if self._writer is not None:
                    self._writer.close()
                at = Endpoint(name="kubernetes", url=login.server, setting=self.setting, http=login.http)
                self._writer, self._written_as = HttpWriter(at), login
            return self._writer


def not_written(question: Asked, answer: HttpAnswer, dry_run: bool = False) -> NotWritten:
    """What an answer to a change means. Pure."""
    status = status_of(answer)
    words = redact(printable(status.message))[:300] if status else ""
    code, what = answer.status, question.what
    if code == 409:
        return NotWritten("conflict", "bad-answer", f"{what} changed meanwhile ({words or 'HTTP 409'})")
    if code == 429 and question.subresource == "eviction":
        return NotWritten("blocked", "throttled", f"a disruption budget forbids it now ({words or 'HTTP 429'})")
    if code >= 500 and _SEVERAL in words:
        return NotWritten(
            "invalid", "server-error", f"several disruption budgets cover this pod: no eviction ({words})"
        )
    if code == 403 and status is not None and 'User "' not in status.message:
        return NotWritten("forbidden", "forbidden", f"the API server refuses the change of {what} ({words})")
    if code == 422 or (code == 400 and status is not None):
        return NotWritten("invalid", "bad-query", f"the API server finds the change of {what} invalid ({words})")
    told = failure(question, answer)
    # a server error may come after the change was stored: the store was slow, a proxy gave up waiting
    kinds: dict[int, Word] = {401: "forbidden", 403: "forbidden", 404: "gone", 410: "gone", 429: "throttled"}
    word = kinds.get(code, "unknown" if code >= 500 and not dry_run else "invalid")
    return NotWritten(word, told.reason, told.says)


def _question(verb: str, path: str) -> Asked:
    """What a change asks for. Raises CouldNotLook("bad-query") for all that is not on the list."""
    found = _PATH.fullmatch(path.strip("/"))
    if found is not None:
        part = {key: value or "" for key, value in found.groupdict().items()}
        allowed = WRITABLE.get((part["group"], part["resource"], part["subresource"]), frozenset())
        whole = verb == "create" and not part["subresource"]
        if verb in allowed and bool(part["name"]) is not whole:
            return Asked(path.strip("/"), verb, **part)
    raise CouldNotLook("bad-query", f"opsctl does not {verb} {printable(path)[:200]} of Kubernetes")


def _dry(options: Mapping[str, Any]) -> dict[str, Any]:
    return {**options, "dryRun": ["All"]}

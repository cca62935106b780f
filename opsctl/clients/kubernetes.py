"""The read side of Kubernetes: get, list, and "may I?"; answers are raw JSON.

Transport is ``HttpReader`` and not the ``kubernetes`` package's ApiClient: the package costs 250 ms and 37 MB to
import (867 ms with a typed API class), its timeouts are per read, so that a server that drips bytes is never late,
and its models refuse whole lists that real servers send. The package is loaded for ``auth-provider`` users only
(kube_login). There is no call here that changes anything: GET on an allow-list of paths (kube_reads), and one POST,
SelfSubjectAccessReview, which the API server answers and does not store.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

import msgspec

from opsctl.clients.http import HttpReader
from opsctl.clients.http_answer import HttpAnswer
from opsctl.clients.kube_answers import failure
from opsctl.clients.kube_exec import Plugin
from opsctl.clients.kube_items import (
    Items,
    Permission,
    PodLog,
    accept,
    decoded,
    items_of,
    metadata,
    pause,
    permission,
    pod_log,
)
from opsctl.clients.kube_login import Files, Login, log_in
from opsctl.clients.kube_reads import Asked, asked
from opsctl.clients.kubeconfig import Selected, select
from opsctl.config.endpoint import Endpoint
from opsctl.errors import CouldNotLook

PAGE = 500  # objects per page, as kubectl asks
CAP = 5000  # objects of one list in all: more would press a server in trouble
PAGE_BYTES = 32 * 2**20
LOG_BYTES = 256 * 2**10  # of one container, newest lines
_NOBODY = frozenset({"unresolved", "refused", "timeout", "closed", "tls"})  # at first: true of every question
_REMEMBER = 10.0  # seconds for which a server that answered no question is not asked again by each probe


class KubernetesReader:
    """One context of a kubeconfig, or the pod's service account; safe to use from several threads.

    ``endpoint.url``: kubeconfig path ("" = kubectl's default); ``endpoint.options``: ``context``, ``namespace``.
    Nothing is read before the first call. All calls raise CouldNotLook only.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.setting = endpoint.setting
        self._lock = threading.RLock()
        self._selected: Selected | None = None
        self._login: Login | None = None
        self._http: HttpReader | None = None
        self._files = Files()
        self._plugin = Plugin()
        self._answered = False
        self.clock: tuple[float, float] | None = None  # the server's time (whole seconds) and ours, of the last answer
        self._gone: tuple[float, CouldNotLook] | None = None  # until when nobody is asked, because nobody answered

    @property
    def context(self) -> str:
        """The context's name."""
        return self._select().context

    @property
    def namespace(self) -> str:
        """The namespace that configuration or context names; "" when neither does."""
        return self.endpoint.options.get("namespace", "") or self._select().namespace

    @property
    def address(self) -> str:
        """``kubernetes CONTEXT/NAMESPACE``."""
        return self.source(self.namespace or "default")

    def source(self, namespace: str) -> str:
        """The address with the namespace that was really asked, and a word when TLS is not verified."""
        notes = self._login.notes if self._login else ()
        return f"kubernetes {self.context}/{namespace}" + (" (TLS not verified)" if notes else "")

    def notes(self) -> tuple[str, ...]:
        """What a report must say about this access: TLS not verified. Known after the first call."""
        return self._login.notes if self._login else ()

    def get(self, path: str, query: Mapping[str, str] | None = None, timeout: float = 5.0) -> dict[str, Any]:
        """GET one object or one page, as the server gives it; ``path`` as in ``api/v1/namespaces/x/pods/y``."""
        question = asked(path, query)
        with _Named(self, question):
            return self._object(question, query or {}, time.monotonic() + timeout)

    def list(self, path: str, query: Mapping[str, str] | None = None, timeout: float = 5.0, cap: int = CAP) -> Items:
        """All objects of a list, page by page, at most ``cap``. What breaks after the first page cuts it short."""
        question = asked(path, query)
        until = time.monotonic() + timeout
        found: list[dict[str, Any]] = []
        token = ""
        with _Named(self, question):
            while True:
                page = {**(query or {}), "limit": str(min(PAGE, cap - len(found)))}
                try:
                    body = self._object(question, {**page, "continue": token} if token else page, until)
                except CouldNotLook as broken:
                    if not found:
                        raise
                    return Items(tuple(found), f"only the first {len(found)} {question.what} were read: {broken.says}")
                found += items_of(question, body)
                token = metadata(body, "continue")
                if not token:
                    return Items(tuple(found))
                if len(found) >= cap:
                    left = metadata(body, "remainingItemCount")
                    more = f"about {int(left) + len(found)}" if left.isdigit() else "more"
                    return Items(tuple(found), f"only the first {len(found)} of {more} {question.what} were read")

    def log(
        self,
        namespace: str,
        pod: str,
        container: str = "",
        *,
        previous: bool = False,
        lines: int = 200,
        since: float | None = None,
        timestamps: bool = True,
        max_bytes: int = LOG_BYTES,
        timeout: float = 5.0,
    ) -> PodLog:
        """The end of a container's output (K8-6), at most ``lines`` and ``max_bytes``; ``previous``: of its last life.

        ``since``: seconds back. A container that has not begun has no log: CouldNotLook("no-data"). It is never
        followed: the answer ends, with ``timeout`` at the latest.
        """
        path = f"api/v1/namespaces/{namespace}/pods/{pod}/log"
        query = {"tailLines": str(lines), "limitBytes": str(max_bytes), "timestamps": "true" if timestamps else "false"}
        query |= {"container": container} if container else {}
        query |= {"previous": "true"} if previous else {}
        query |= {"sinceSeconds": str(max(1, round(since)))} if since is not None else {}
        question = asked(path, query)
        with _Named(self, question):
            answer = self._send(question, query, None, time.monotonic() + timeout, max_bytes=max_bytes + 2**16)
            return pod_log(question, answer, lines, max_bytes)

    def can(
        self, verb: str, group: str, resource: str, subresource: str = "", namespace: str = "", timeout: float = 5.0
    ) -> Permission:
        """Whether these credentials may do ``verb`` on ``resource`` (K8-1); changes nothing."""
        about = {"verb": verb, "group": group, "resource": resource, "namespace": namespace}
        if subresource:
            about["subresource"] = subresource
        question = Asked("apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "create", resource="access reviews")
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": about},
        }
        with _Named(self, question):
            answer = self._send(question, {}, msgspec.json.encode(body), time.monotonic() + timeout)
            return permission(question, answer)

    def close(self) -> None:
        """Close connections, end a credential plug-in, remove what was held for TLS."""
        self._plugin.close()
        with self._lock:
            if self._http is not None:
                self._http.close()
            self._http = self._login = None
            self._files.close()

    def _select(self) -> Selected:
        with self._lock:
            if self._selected is None:
                self._selected = select(self.endpoint.url, self.endpoint.options.get("context", ""))
            return self._selected

    def _connected(self, until: float, *, again: bool = False) -> HttpReader:
        """The transport, logged in; ``again``: log in anew."""
        if not self._lock.acquire(timeout=max(0.0, until - time.monotonic())):
            raise CouldNotLook("timeout", "the credentials of this context were not there in time")
        try:
            if self._http is None or again:
                if self._http is not None:
                    self._http.close()
                self._login = log_in(self._select(), self._files, self._plugin, max(0.1, until - time.monotonic()))
                at = Endpoint(name="kubernetes", url=self._login.server, setting=self.setting, http=self._login.http)
                self._http = HttpReader(at)
            return self._http
        finally:
            self._lock.release()

    def _object(self, question: Asked, query: Mapping[str, str], until: float) -> dict[str, Any]:
        return decoded(question, self._send(question, query, None, until))

    def _send(
        self,
        question: Asked,
        query: Mapping[str, str],
        review: bytes | None,
        until: float,
        max_bytes: int = PAGE_BYTES,
    ) -> HttpAnswer:
        """The answer of status 200 or 201; asks again once after a short Retry-After or a 401 with new credentials."""
        waited = renewed = False
        if self._gone is not None and time.monotonic() < self._gone[0]:
            raise CouldNotLook(self._gone[1].reason, self._gone[1].says)
        http = self._connected(until)
        while True:
            left = until - time.monotonic()
            try:
                if review is None:
                    answer = http.get(
                        question.path,
                        params=query,
                        timeout=left,
                        accept=None,
                        max_bytes=max_bytes,
                        headers=accept(question),
                    )
                else:
                    answer = http.post_review(review, timeout=left)
            except CouldNotLook as failed:
                if not self._answered and failed.reason in _NOBODY and (failed.reason != "timeout" or left >= 1.0):
                    self._gone = (time.monotonic() + _REMEMBER, failed)
                raise
            self._answered = True
            if answer.date is not None:
                self.clock = (answer.date.timestamp(), time.time())
            if answer.status in (200, 201):
                return answer
            if answer.status == 401 and self._login is not None and self._login.renewable and not renewed:
                renewed, http = True, self._connected(until, again=True)
                continue
            wait = pause(answer)
            if answer.status == 429 and not waited and wait < (until - time.monotonic()) / 2:
                waited = True
                time.sleep(wait)
                continue
            raise failure(question, answer)


class _Named:
    """Puts address and setting on every failure inside."""

    def __init__(self, reader: KubernetesReader, question: Asked) -> None:
        self._reader = reader
        self._question = question

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, CouldNotLook):
            error.setting = error.setting or self._reader.setting
            try:
                error.address = self._reader.source(self._question.namespace or self._reader.namespace or "default")
            except CouldNotLook:
                error.address = "kubernetes"  # which context could not be found out: that is the failure

"""What the probes of Kubernetes share: which workloads to look at, how to find them, and how rows become a finding."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from opsctl.clients.kube_reads import collection
from opsctl.errors import CouldNotLook, NotConfigured, Reason
from opsctl.model import Evidence, Finding, State, Unknown, Value
from opsctl.probes.kubernetes_json import part, selector_text, text
from opsctl.probes.look import Look
from opsctl.probes.registry import Params
from opsctl.services.model import Workload

if TYPE_CHECKING:
    from opsctl.clients.kube_items import Items
    from opsctl.clients.kubernetes import KubernetesReader

KINDS = {"Deployment": "deployments", "StatefulSet": "statefulsets", "DaemonSet": "daemonsets"}


NOTHING_THERE = "none of the workloads that the profile assumes is there"
LASTING = frozenset({"forbidden", "unauthorized", "not-found", "unsupported"})  # failures that another try repeats


class _Answers:
    """The answers of one diagnosis, whose probes look at the same objects side by side: each question is asked once."""

    def __init__(self, moment: float) -> None:
        self.moment = moment
        self._known: dict[tuple[str, str], Any] = {}
        self._asking: dict[tuple[str, str], threading.Lock] = {}

    def once(self, key: tuple[str, str], ask: Callable[[], Any], patience: float) -> Any:
        """The answer; a refusal that lasts is one, too. Raises CouldNotLook."""
        lock = self._asking.setdefault(key, threading.Lock())
        if not lock.acquire(timeout=patience):
            raise CouldNotLook("timeout", "the same question, asked by another probe, was not answered in time")
        try:
            if key not in self._known:
                try:
                    self._known[key] = ask()
                except CouldNotLook as failure:
                    if failure.reason not in LASTING:
                        raise
                    self._known[key] = failure
        finally:
            lock.release()
        found = self._known[key]
        if isinstance(found, CouldNotLook):
            raise CouldNotLook(found.reason, found.says, address=found.address, setting=found.setting)
        return found


_answers: WeakKeyDictionary[Any, _Answers] = WeakKeyDictionary()
_answers_lock = threading.Lock()


class OfWorkload(Params, frozen=True, kw_only=True):
    """``workload``: the profile's name of one workload; "" = all."""

    workload: str = ""


class Row(NamedTuple):
    """What one workload says about one finding. ``measured`` is compared with ``threshold``."""

    state: State
    says: str
    measured: float | None = None
    since: datetime | None = None
    reason: Reason | None = None


class Found(NamedTuple):
    """A workload as it is on the cluster. ``object`` is the API's raw JSON.

    {} when only its pods' labels are known; then ``failure`` may say why there is no more.
    """

    kind: str
    name: str
    object: dict[str, Any]
    selector: str
    path: str
    failure: CouldNotLook | None = None

    @property
    def subject(self) -> str:
        """``Deployment api``; where only labels are known, those."""
        return f"{self.kind} {self.name}".strip()


class Scope:
    """One service's namespace on one cluster, for one probe. Raises NotConfigured when the profile has no workloads."""

    def __init__(self, look: Look, only: str = "") -> None:
        profile = look.profile
        if profile.kubernetes is None or not profile.kubernetes.workloads:
            raise NotConfigured(f"the profile of {profile.service} names no Kubernetes workloads")
        wanted = dict(profile.kubernetes.workloads)
        if only and only not in wanted:
            raise NotConfigured(f"the profile of {profile.service} names no Kubernetes workload {only}")
        self.look = look
        self.wanted: dict[str, Workload] = {only: wanted[only]} if only else wanted
        self.reader: KubernetesReader = look.readers.kubernetes()
        configured = self.reader.endpoint.options.get("namespace", "")
        self.namespace = configured or profile.kubernetes.namespace or self.reader.namespace or "default"

    @property
    def source(self) -> str:
        """The evidence's source: context and namespace."""
        return self.reader.source(self.namespace)

    def path(self, group: str, version: str, resource: str, name: str = "") -> str:
        """A path in this namespace."""
        return collection(group, version, resource, self.namespace, name)

    def get(self, path: str) -> dict[str, Any]:
        """One object, within the time this probe has left."""
        found: dict[str, Any] = self._once(path, "", lambda: self.reader.get(path, timeout=self.look.remaining()))
        return found

    def list(self, path: str, selector: str = "") -> Items:
        """A list, within the time this probe has left."""
        query = {"labelSelector": selector} if selector else None
        ask = lambda: self.reader.list(path, query, timeout=self.look.remaining())  # noqa: E731
        found: Items = self._once(path, f"?{selector}", ask)
        return found

    def _once(self, path: str, what: str, ask: Callable[[], Any]) -> Any:
        with _answers_lock:
            known = _answers.get(self.reader)
            if known is None or known.moment != self.look.now:  # another diagnosis looks anew
                known = _answers[self.reader] = _Answers(self.look.now)
        return known.once((path, what), ask, self.look.remaining())

    def find(self, wanted: Workload) -> Sequence[Found]:
        """The objects of a workload: by name, else all that its label selector matches. Raises CouldNotLook.

        The kind in the profile is tried first: the same name, or labels, may belong to a StatefulSet somewhere else.
        """
        if wanted.kind not in KINDS:
            says = f"workloads of kind {wanted.kind} are not looked at; those of {', '.join(KINDS)} are"
            raise CouldNotLook("unsupported", says)
        kinds = [wanted.kind, *(kind for kind in KINDS if kind != wanted.kind)]
        hidden: list[str] = []
        for kind in kinds if wanted.name else ():
            path = self.path("apps", "v1", KINDS[kind], wanted.name)
            try:
                return [_found(kind, self.get(path), path)]
            except CouldNotLook as failure:
                if failure.reason == "forbidden" and kind != wanted.kind:
                    hidden.append(kind)
                elif failure.reason != "not-found":
                    raise
        for kind in kinds if wanted.selector else ():
            path = self.path("apps", "v1", KINDS[kind])
            try:
                items = self.list(path, wanted.selector).items
            except CouldNotLook as failure:
                if failure.reason != "forbidden" or kind == wanted.kind:
                    raise
                hidden.append(kind)
                continue
            if items:
                return [_found(kind, item, f"{path}/{name_of(item)}") for item in items]
        named = " or ".join(filter(None, (wanted.name, wanted.selector and f"with the labels {wanted.selector}")))
        says = f"namespace {self.namespace} has no {', '.join(kinds[:-1])} or {kinds[-1]} {named}"
        if hidden:
            says += f" that these credentials may see (not {', '.join(dict.fromkeys(hidden))})"
        raise CouldNotLook("not-found", says, address=self.source, setting=self.reader.setting)

    def find_for_pods(self, wanted: Workload) -> Sequence[Found]:
        """As ``find``; where a label selector is given and no such object can be had, those are the pods' labels."""
        known = Found("", wanted.selector, {}, wanted.selector, "")
        if not wanted.name:
            return [known]
        try:
            return self.find(wanted)
        except CouldNotLook as failure:
            if not wanted.selector or failure.reason not in ("not-found", "forbidden"):
                raise
            return [known._replace(failure=failure)]

    def no_pods(self, found: Found) -> CouldNotLook:
        """Why labels that match no pod tell nothing."""
        says = f"no pod in namespace {self.namespace} has the labels {found.selector}"
        return found.failure or CouldNotLook("not-found", says, address=self.source, setting=self.reader.setting)

    def lose(self, name: str, wanted: Workload, failure: CouldNotLook) -> tuple[Evidence, Sequence[Row]]:
        """What a workload that could not be looked at leaves: the reason, and a row that is unknown.

        One that the profile only assumes, and that is not there, says nothing about those that are: no row.
        """
        if isinstance(failure, NotConfigured):
            raise failure
        if not wanted.assumed or failure.reason != "not-found":
            return self.unseen(f"workload {name}", failure), [unknown_row(failure)]
        says = f"{failure.says} ({name} is an assumption of the profile)"
        failure = CouldNotLook(failure.reason, says, address=failure.address, setting=failure.setting)
        rows = [unknown_row(failure)] if len(self.wanted) == 1 else []
        return self.unseen(f"workload {name}", failure), rows

    def evidence(
        self, subject: str, path: str, values: Iterable[Value], selector: str = "", window: str = ""
    ) -> Evidence:
        """Evidence from this namespace; the query is what ``kubectl get --raw`` takes."""
        return Evidence(
            subject=subject,
            source=self.source,
            values=tuple(values),
            query=f"/{path}" + (f"?labelSelector={selector}" if selector else ""),
            window=window,
            setting=self.reader.setting,
            sampled_at=datetime.now(UTC),
        )

    def unseen(self, subject: str, failure: CouldNotLook) -> Evidence:
        """Evidence that something could not be looked at."""
        unknown = Unknown(
            reason=failure.reason,
            says=failure.says,
            address=failure.address or self.source,
            setting=failure.setting or self.reader.setting,
        )
        return Evidence(subject=subject, source=self.source, setting=self.reader.setting, unknown=unknown)


def present_only(look: Look) -> None:
    """Kubernetes keeps no past: for ``--at`` raise CouldNotLook("no-history")."""
    if look.at is not None:
        raise CouldNotLook(
            "no-history", f"Kubernetes tells its present state only, not that of {look.moment:%F %R} UTC"
        )


def unknown_row(failure: CouldNotLook) -> Row:
    """A row for a workload that could not be looked at."""
    return Row("unknown", failure.says, reason=failure.reason)


def merged(
    id: str,
    rows: Sequence[Row],
    *,
    threshold: float | None = None,
    unit: str = "",
    origin: str = "",
    worst: Callable[[list[float]], float] = max,
) -> Finding:
    """One finding of all workloads: breach if any is, else unknown if any is, else ok. The worst value is measured."""
    order: tuple[State, ...] = ("breach", "unknown", "ok")
    state: State = next((word for word in order if any(row.state == word for row in rows)), "unknown")
    chosen = [row for row in rows if row.state == state]
    chosen.sort(key=lambda row: 0.0 if row.measured is None else row.measured, reverse=worst is max)
    texts = list(dict.fromkeys(row.says for row in chosen))
    shown = 1 if state == "ok" else 3  # where nothing is wrong one sentence shows what was measured
    more = f"; and {len(texts) - shown} more" if len(texts) > shown else ""
    measured = [row.measured for row in chosen if row.measured is not None]
    since = [row.since for row in chosen if row.since is not None]
    value = worst(measured) if measured else None
    return Finding(
        id=id,
        state=state,
        says="; ".join(texts[:shown]) + more if texts else NOTHING_THERE,
        measured=value,
        threshold=threshold if value is not None else None,
        unit=unit if value is not None else "",
        threshold_from=origin if value is not None else "",
        since=min(since, default=None) if state == "breach" else None,
        reason=(chosen[0].reason if chosen else "not-found") if state == "unknown" else None,
    )


def _found(kind: str, obj: dict[str, Any], path: str) -> Found:
    return Found(kind, name_of(obj), obj, selector_text(part(obj, "spec", "selector")), path)


def name_of(obj: dict[str, Any]) -> str:
    """An object's name."""
    return text(part(obj, "metadata"), "name")

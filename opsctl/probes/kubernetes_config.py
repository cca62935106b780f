"""kubernetes.config (K8-11): does what the pods refer to exist, and when did it change. Values are never read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from opsctl.errors import CouldNotLook
from opsctl.model import Change, Evidence, Seen, Value
from opsctl.probes.kubernetes_json import moment, part, parts, text
from opsctl.probes.kubernetes_scope import Found, OfWorkload, Row, Scope, merged, present_only
from opsctl.probes.kubernetes_writers import Writer, keys_of, writer_of
from opsctl.probes.look import Look
from opsctl.probes.registry import probe

MISSING = "kubernetes.reference-missing"
RESOURCES = {
    "ConfigMap": "configmaps",
    "Secret": "secrets",
    "PersistentVolumeClaim": "persistentvolumeclaims",
    "ServiceAccount": "serviceaccounts",
}
SHOWN = 30


class Reference(NamedTuple):
    """What a pod template refers to. ``key`` "": the whole object; ``optional``: a pod starts without it."""

    kind: str
    name: str
    key: str = ""
    optional: bool = False

    def __str__(self) -> str:
        return f"{self.kind} {self.name}" + (f" key {self.key}" if self.key else "")


@probe(
    "kubernetes.config",
    emits={MISSING: "a ConfigMap, Secret, key, volume claim or service account that the pods refer to is not there"},
    params=OfWorkload,
    asks="the metadata of what the workloads' pod templates refer to; never a value",
    privilege="get configmaps, secrets, persistentvolumeclaims, serviceaccounts, deployments.apps",
    cost="one GET per workload and per object referred to",
    minimum="v1; metadata alone from 1.15",
    changes=True,
)
def config(look: Look, params: OfWorkload) -> Seen:
    """K8-11. Keys are told by ``managedFields``; where a server keeps none, that keys were not looked at is said."""
    present_only(look)
    scope = Scope(look, params.workload)
    rows: list[Row] = []
    evidence: list[Evidence] = []
    changes: dict[str, Change] = {}
    for name, wanted in scope.wanted.items():
        try:
            for found in scope.find(wanted):
                references = list(dict.fromkeys(referred(part(found.object, "spec", "template", "spec"))))
                started = moment(part(found.object, "metadata").get("creationTimestamp"))
                row, values, changed = _look_at(scope, found, references, started)
                rows.append(row)
                changes.update(changed)
                path = scope.path("", "v1", "configmaps")
                evidence.append(scope.evidence(f"what {found.subject} refers to", path, values))
        except CouldNotLook as failure:
            lost, unknown = scope.lose(name, wanted, failure)
            evidence.append(lost)
            rows += unknown
    finding = merged(MISSING, rows, unit="count")
    return Seen(evidence=tuple(evidence), findings=(finding,), changes=tuple(changes.values()))


def referred(spec: Mapping[str, Any]) -> Iterator[Reference]:
    """Everything a pod spec refers to by name. Pure."""
    for volume in parts(spec, "volumes"):
        for source in [volume, *parts(part(volume, "projected"), "sources")]:
            whole = part(source, "configMap")
            if whole:
                yield Reference("ConfigMap", text(whole, "name"), optional=whole.get("optional") is True)
            secret = part(source, "secret")
            if secret:
                name = text(secret, "secretName") or text(secret, "name")
                yield Reference("Secret", name, optional=secret.get("optional") is True)
        claim = text(part(volume, "persistentVolumeClaim"), "claimName")
        if claim:
            yield Reference("PersistentVolumeClaim", claim)
    for container in [*parts(spec, "initContainers"), *parts(spec, "containers")]:
        for source in parts(container, "envFrom"):
            for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
                ref = part(source, field)
                if ref:
                    yield Reference(kind, text(ref, "name"), optional=ref.get("optional") is True)
        for each in parts(container, "env"):
            for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
                ref = part(each, "valueFrom", field)
                if ref:
                    yield Reference(kind, text(ref, "name"), text(ref, "key"), ref.get("optional") is True)
    account = text(spec, "serviceAccountName")
    if account:
        yield Reference("ServiceAccount", account)
    for secret in parts(spec, "imagePullSecrets"):
        yield Reference("Secret", text(secret, "name"))


def _look_at(
    scope: Scope, found: Found, references: Sequence[Reference], started: datetime | None
) -> tuple[Row, list[Value], dict[str, Change]]:
    missing: list[str] = []
    unseen: list[CouldNotLook] = []
    values: list[Value] = []
    changes: dict[str, Change] = {}
    for each in references:
        labels = {"kind": each.kind, "name": each.name} | ({"key": each.key} if each.key else {})
        try:
            obj = scope.get(scope.path("", "v1", RESOURCES[each.kind], each.name))
        except CouldNotLook as failure:
            if failure.reason == "not-found":
                values.append(Value(name="reference", value="missing", labels=labels, note=_optional(each)))
                missing += [] if each.optional else [str(each)]
            else:
                values.append(Value(name="reference", value=None, labels=labels, note=failure.says))
                unseen.append(failure)
            continue
        state, note = _state(each, obj)
        values.append(Value(name="reference", value=state, labels=labels, note=note))
        if state != "there" and not each.optional:
            missing.append(f"{each} ({state})" if state != "missing" else str(each))
        writer = _written(each, obj)
        if writer is not None and each.kind in ("ConfigMap", "Secret"):
            changes[f"{each.kind} {each.name}"] = _change(scope, each, obj, writer, started)
    if missing:
        says = f"{found.subject} refers to what is not there: {', '.join(dict.fromkeys(missing))}"
        return Row("breach", says, measured=len(missing)), values[:SHOWN], changes
    if unseen:
        return Row("unknown", f"{found.subject}: {unseen[0].says}", reason=unseen[0].reason), values[:SHOWN], changes
    return Row("ok", f"{found.subject}: all {len(references)} objects it refers to are there"), values[:SHOWN], changes


def _state(reference: Reference, obj: Mapping[str, Any]) -> tuple[str, str]:
    """``there``, ``missing`` (the key) or the claim's phase; and a note."""
    if reference.kind == "PersistentVolumeClaim":
        phase = text(part(obj, "status"), "phase")
        return ("there", "") if phase in ("Bound", "") else (phase.lower(), _optional(reference))
    version = f"resourceVersion {text(part(obj, 'metadata'), 'resourceVersion')}"
    if not reference.key:
        return "there", version
    keys = keys_of(obj)
    if keys is None:
        return "there", f"{version}; its keys were not looked at"
    return ("there" if reference.key in keys else "missing"), version


def _written(reference: Reference, obj: Mapping[str, Any]) -> Writer | None:
    return writer_of(obj, "data") or writer_of(obj, "stringData") or writer_of(obj, "binaryData")


def _change(scope: Scope, each: Reference, obj: Mapping[str, Any], writer: Writer, started: datetime | None) -> Change:
    version = text(part(obj, "metadata"), "resourceVersion")
    created = moment(part(obj, "metadata").get("creationTimestamp"))
    new = created is not None and abs((writer.at - created).total_seconds()) < 2
    says = f"{'created' if new else 'changed'} by {writer.name} (version {version})"
    if not new and started is not None:
        says += "; running pods keep the old values in their environment"
    return Change(at=writer.at, system="kubernetes", subject=f"{each.kind} {each.name}", says=says, source=scope.source)


def _optional(reference: Reference) -> str:
    return "optional: pods start without it" if reference.optional else ""

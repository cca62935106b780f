"""What changed between two pod templates, in words. Pure.

Of environment variables and arguments only plain numbers and switches are shown, and not those whose name may be that
of a secret: any other value may hold a password.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from opsctl.probes.kubernetes_json import part, parts, text, texts

RESTARTED = "kubectl.kubernetes.io/restartedAt"
_HASHES = ("pod-template-hash", "controller-revision-hash")
_TOLD_APART = frozenset({"name", "image", "env", "envFrom", "resources", "args", "command"})
_PROBES = ("readinessProbe", "livenessProbe", "startupProbe")
_SECRET = re.compile(r"secret|token|pass|pwd|key|cred|auth|dsn|ur[il]|conn|salt|pin", re.I)
_PLAIN = re.compile(r"true|false|yes|no|on|off|debug|info|warn|warning|error|\d{1,9}(\.\d{1,6})?([a-z%]{1,2})?", re.I)


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Differences of two pod templates, the image first: ``image 1.14.2 -> 1.14.3``, ``env LOG_LEVEL changed``."""
    told = list(_containers(old, new, "containers")) + list(_containers(old, new, "initContainers"))
    told += _references(old, new)
    told += _notes(old, new)
    known = {"containers", "initContainers", "volumes"}
    told += [f"{key} changed" for key in _unequal(part(old, "spec"), part(new, "spec")) if key not in known]
    if not told and part(old, "spec").get("volumes") != part(new, "spec").get("volumes"):
        told.append("volumes changed")
    return sorted(told, key=lambda told: not told.startswith("image"))


def images(template: Mapping[str, Any]) -> str:
    """The images of a template, comma separated."""
    return ", ".join(text(each, "image") for each in parts(part(template, "spec"), "containers"))


def _containers(old: Mapping[str, Any], new: Mapping[str, Any], key: str) -> Iterator[str]:
    before = {text(each, "name"): each for each in parts(part(old, "spec"), key)}
    after = {text(each, "name"): each for each in parts(part(new, "spec"), key)}
    kind = "init container" if key == "initContainers" else "container"
    for name in dict.fromkeys((*before, *after)):
        if name not in before or name not in after:
            yield f"{kind} {name} {'removed' if name in before else 'added'}"
            continue
        was, now = before[name], after[name]
        of = f" of {kind} {name}" if len(before) > 1 or key == "initContainers" else ""
        if was.get("image") != now.get("image"):
            yield f"image{of} {_image_change(text(was, 'image'), text(now, 'image'))}"
        yield from _environment(was, now, of)
        yield from _resources(was, now, of)
        yield from _arguments(was, now, of)
        for field in _unequal(was, now):
            if field in _PROBES and was.get(field) and now.get(field):
                yield from _probe_of(field, part(was, field), part(now, field), of)
            elif field in _PROBES:
                yield f"{field}{of} {'added' if now.get(field) else 'removed'}"
            elif field not in _TOLD_APART:
                yield f"{field}{of} changed"


def _shown(name: str, was: object, now: object) -> str:
    """``8 -> 16`` where both may be shown, else "changed"."""
    both = [str(each) for each in (was, now)]
    if _SECRET.search(name) or not all(_PLAIN.fullmatch(each) for each in both):
        return "changed"
    return f"{both[0]} -> {both[1]}"


def _arguments(was: Mapping[str, Any], now: Mapping[str, Any], of: str) -> Iterator[str]:
    """Arguments of the form ``--name=value`` one by one; whatever else differs, as a whole."""
    for field in ("command", "args"):
        before, after = texts(was, field), texts(now, field)
        if before == after:
            continue
        old, new = (dict(each.split("=", 1) for each in side if "=" in each) for side in (before, after))
        bare = [[each for each in side if "=" not in each] for side in (before, after)]
        if bare[0] != bare[1] or set(old) != set(new):
            yield f"{field}{of} changed"
            continue
        for name in old:
            if old[name] != new[name]:
                yield f"argument {name}{of} {_shown(name, old[name], new[name])}"


def _probe_of(field: str, was: Mapping[str, Any], now: Mapping[str, Any], of: str) -> Iterator[str]:
    """Numbers of a probe, and where it asks; not its command or headers, which may hold anything."""
    for name in _unequal(was, now):
        before, after = was.get(name), now.get(name)
        if name in ("httpGet", "tcpSocket", "grpc") and isinstance(before, dict) and isinstance(after, dict):
            for key in _unequal(before, after):
                plain = key in ("path", "port", "scheme", "service")
                told = f"{before.get(key)} -> {after.get(key)}" if plain else "changed"
                yield f"{field}{of} {key} {told}"
        else:
            plain = isinstance(before, int | None) and isinstance(after, int | None)
            told = f"{'default' if before is None else before} -> {'default' if after is None else after}"
            yield f"{field}{of} {name} {told if plain else 'changed'}"


def _image_change(was: str, now: str) -> str:
    """Tags alone when the repository is the same."""
    old_name, new_name = was.partition("@")[0], now.partition("@")[0]
    old_repository, _, old_tag = old_name.rpartition(":")
    new_repository, _, new_tag = new_name.rpartition(":")
    same = bool(old_repository) and old_repository == new_repository and old_tag != new_tag
    if same and "/" not in old_tag + new_tag:
        return f"{old_tag} -> {new_tag}"
    return f"{was} -> {now}"


def _environment(was: Mapping[str, Any], now: Mapping[str, Any], of: str) -> Iterator[str]:
    before = {text(each, "name"): each for each in parts(was, "env")}
    after = {text(each, "name"): each for each in parts(now, "env")}
    for name in dict.fromkeys((*before, *after)):
        if before.get(name) != after.get(name):
            yield f"env {name}{of} {_variable(name, before.get(name), after.get(name))}"
    if was.get("envFrom") != now.get("envFrom") and not _unequal_references(was, now):
        yield f"envFrom{of} changed"


def _variable(name: str, was: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> str:
    if was is None or now is None:
        return "added" if was is None else "removed"
    given = "value" in was and "value" in now
    return _shown(name, was["value"], now["value"]) if given else "changed"


def _resources(was: Mapping[str, Any], now: Mapping[str, Any], of: str) -> Iterator[str]:
    for kind in ("limits", "requests"):
        before, after = part(was, "resources", kind), part(now, "resources", kind)
        for name in dict.fromkeys((*before, *after)):
            if before.get(name) != after.get(name):
                yield f"{name} {kind[:-1]}{of} {before.get(name, 'none')} -> {after.get(name, 'none')}"


def _named(template: Mapping[str, Any]) -> set[str]:
    """ConfigMaps and Secrets a template refers to, by kind and name."""
    spec = part(template, "spec")
    names: set[str] = set()
    for volume in parts(spec, "volumes"):
        sources = [volume, *parts(part(volume, "projected"), "sources")]
        for source in sources:
            config, secret = part(source, "configMap"), part(source, "secret")
            if config:
                names.add(f"ConfigMap {config.get('name')}")
            if secret:
                names.add(f"Secret {secret.get('secretName') or secret.get('name')}")
    for container in [*parts(spec, "containers"), *parts(spec, "initContainers")]:
        names |= _references_of(container)
    return names


def _references_of(container: Mapping[str, Any]) -> set[str]:
    names = set()
    for source in parts(container, "envFrom"):
        for key, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
            if part(source, key):
                names.add(f"{kind} {part(source, key).get('name')}")
    return names


def _unequal_references(was: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    return _references_of(was) != _references_of(now)


def _references(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    before, after = _named(old), _named(new)
    return [f"{name} no longer used" for name in sorted(before - after)] + [
        f"{name} now used" for name in sorted(after - before)
    ]


def _notes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    told = []
    for name in _unequal(part(old, "metadata", "annotations"), part(new, "metadata", "annotations")):
        if name == RESTARTED:
            told.append("restarted")
        elif name.startswith("checksum/"):
            told.append(f"configuration changed ({name})")
        else:
            told.append(f"annotation {name} changed")
    labels = _unequal(part(old, "metadata", "labels"), part(new, "metadata", "labels"))
    return told + [f"label {name} changed" for name in labels if name not in _HASHES]


def _unequal(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return [key for key in dict.fromkeys((*old, *new)) if old.get(key) != new.get(key)]

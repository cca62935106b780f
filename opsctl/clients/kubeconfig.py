"""Reads kubeconfig files: which cluster, user and namespace a context means. Nothing is contacted here.

Read by ourselves and not by the ``kubernetes`` package: importing that takes 250 ms and 37 MB, and it has no way to
say which of several files gave a value. ``kube_login`` turns the result into credentials.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from opsctl.errors import CouldNotLook, NotConfigured
from opsctl.redact import printable

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class Entry(NamedTuple):
    """A named cluster, user or context. ``folder``: what relative paths inside it are relative to."""

    body: Mapping[str, Any]
    folder: Path


class Selected(NamedTuple):
    """What a context means. ``user`` may be empty (anonymous). ``namespace`` "" when the context names none."""

    context: str
    namespace: str
    cluster: Entry
    user: Entry
    cluster_name: str
    files: tuple[Path, ...]


def select(path: str = "", context: str = "", environ: Mapping[str, str] = os.environ) -> Selected:
    """The context named, else the current one, of the kubeconfig at ``path`` (a list as in $KUBECONFIG is merged).

    ``path`` "": $KUBECONFIG, then ~/.kube/config, then the service account of the pod we run in. Raises NotConfigured
    when there is none of them, and CouldNotLook: "not-found" (file or name), "forbidden", "bad-answer" (broken file).
    """
    files, must_exist = _files(path, environ)
    if not files:
        if environ.get("KUBERNETES_SERVICE_HOST") and (SERVICE_ACCOUNT / "token").exists():
            return in_cluster(environ)
        raise NotConfigured("no kubeconfig: neither KUBECONFIG nor ~/.kube/config is there, and this is not a pod")
    merged = _merge([file for file in files if must_exist or file.exists()])
    shown = os.pathsep.join(str(file) for file in files)
    name = context or merged.current
    if not name:
        known = ", ".join(merged.contexts) or "none"
        raise CouldNotLook("not-found", f"kubeconfig {shown} names no current context; it has: {known}")
    chosen = _named(merged.contexts, name, "context", shown)
    cluster_name = _text(chosen.body, "cluster")
    cluster = _named(merged.clusters, cluster_name, "cluster", shown)
    user_name = _text(chosen.body, "user")
    user = _named(merged.users, user_name, "user", shown) if user_name else Entry({}, cluster.folder)
    return Selected(name, _text(chosen.body, "namespace"), cluster, user, cluster_name, tuple(files))


def in_cluster(environ: Mapping[str, str], folder: Path = SERVICE_ACCOUNT) -> Selected:
    """The pod's own service account, as a context named ``in-cluster``."""
    host, port = environ["KUBERNETES_SERVICE_HOST"], environ.get("KUBERNETES_SERVICE_PORT") or "443"
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    try:
        namespace = (folder / "namespace").read_text().strip()
    except OSError:
        namespace = ""
    cluster = Entry({"server": server, "certificate-authority": str(folder / "ca.crt")}, folder)
    return Selected("in-cluster", namespace, cluster, Entry({"tokenFile": str(folder / "token")}, folder), "", ())


class _Merged(NamedTuple):
    current: str
    contexts: dict[str, Entry]
    clusters: dict[str, Entry]
    users: dict[str, Entry]


def _files(path: str, environ: Mapping[str, str]) -> tuple[list[Path], bool]:
    """The files, and whether each must exist: of a list, as kubectl does, absent ones are passed over."""
    given = path or environ.get("KUBECONFIG", "")
    files = [Path(part).expanduser() for part in given.split(os.pathsep) if part]
    if len(files) == 1:
        return files, True
    if files:
        if not any(file.exists() for file in files):
            raise CouldNotLook("not-found", f"none of the kubeconfig files exists: {given}")
        return files, False
    default = Path(environ.get("HOME", "~")).expanduser() / ".kube" / "config"
    return ([default], True) if default.exists() else ([], True)


def _merge(files: list[Path]) -> _Merged:
    """The first file that has a name wins, and the first current-context."""
    merged = _Merged("", {}, {}, {})
    for file in files:
        config = _read(file)
        if not merged.current:
            merged = merged._replace(current=_text(config, "current-context"))
        kinds = (("contexts", merged.contexts), ("clusters", merged.clusters), ("users", merged.users))
        for key, known in kinds:
            for item in config.get(key) or ():
                body = item.get(key[:-1]) if isinstance(item, Mapping) else None
                if not isinstance(item, Mapping) or not isinstance(body, Mapping | None):
                    raise CouldNotLook("bad-answer", f"kubeconfig {file}: an entry of {key} has another shape")
                known.setdefault(str(item.get("name", "")), Entry(body or {}, file.parent))
    return merged


def _read(file: Path) -> Mapping[str, Any]:
    import yaml

    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CouldNotLook("not-found", f"kubeconfig {file} does not exist") from None
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise CouldNotLook("forbidden", f"kubeconfig {file} cannot be read: {why}") from None
    try:
        config = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = printable(str(getattr(error, "problem", None) or "not YAML"))
        raise CouldNotLook("bad-answer", f"kubeconfig {file}{line} is broken: {problem}") from None
    if not isinstance(config, Mapping) or not ("contexts" in config or "clusters" in config or "users" in config):
        raise CouldNotLook("bad-answer", f"{file} is not a kubeconfig: it has no contexts")
    return config


def _named(known: Mapping[str, Entry], name: str, kind: str, shown: str) -> Entry:
    if name in known:
        return known[name]
    names = ", ".join(sorted(known)) or "none"
    raise CouldNotLook("not-found", f"kubeconfig {shown} has no {kind} {printable(name) or '(empty)'}; it has: {names}")


def _text(body: Mapping[str, Any], key: str) -> str:
    value = body.get(key)
    return "" if value is None else str(value)

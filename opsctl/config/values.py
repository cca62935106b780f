"""Every effective value and where it came from, for ``opsctl context show --sources``. Secrets never are among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from opsctl.config.addresses import without_password
from opsctl.config.environment import LIBPQ, URLS, Chosen, kubernetes_default
from opsctl.config.faults import Path as Keys
from opsctl.config.faults import dotted
from opsctl.config.places import cache_dir, runbook_places, shown, state_dir
from opsctl.config.settings import Settings
from opsctl.config.source import SourceFile, is_secret
from opsctl.config.state import named as state_named
from opsctl.redact import redact

URL_FORMS = ("url", "url_env", "url_file", "url_command", "kubeconfig")
BOUND = ("http_config", "password", "api_key")  # goes along only to the address it is written with


class ShownValue(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One value. ``source``: ``opsctl.yaml:12``, ``env PROMETHEUS_URL``, ``--prometheus-url``. ``hides``: who lost.

    ``unused``: why the value has no effect, "" when it has.
    """

    key: str
    value: str
    source: str
    hides: tuple[str, ...] = ()
    unused: str = ""


def values(settings: Settings, runbooks: str | None = None) -> list[ShownValue]:
    """All values of the context in use; ``runbooks`` is ``--runbooks``. Profiles' defaults are not among them."""
    environ = settings.environ
    found: dict[str, ShownValue] = {}

    def add(key: str, value: str, source: str, hides: tuple[str, ...] = ()) -> None:
        found[key] = ShownValue(key=key, value=value, source=source, hides=hides)

    config = settings.config
    if config.source is not None or config.setting:
        name = shown(config.source.path) if config.source is not None else "none"
        add("config", name, config.setting)
    if settings.context:
        add("context", settings.context, settings.choice.setting)
    for number, (folder, setting) in enumerate(runbook_places(runbooks, environ)):
        add(f"runbooks[{number}]", shown(folder), setting)
    for key, folder, variable in (
        ("state", state_dir(environ), "XDG_STATE_HOME"),
        ("cache", cache_dir(environ), "XDG_CACHE_HOME"),
    ):
        add(key, shown(folder), f"env {variable}" if environ.get(variable, "").startswith("/") else "default")
    if states := list(state_named(settings)):
        add("ledger", states[0].says(), states[0].setting, tuple(one.setting for one in states[1:]))
    if (stop := settings.stop_file()) is not None and config.source is not None:
        add("stop_file", shown(stop), config.source.place(("stop_file",)))
    for name in URLS:
        rows = list(_of_endpoint(settings, name, None))
        found.update((row.key, row) for row in rows)
    for service, spec in settings.spec.services.items():
        base: Keys = ("contexts", settings.context, "services", service)
        for endpoint in spec.endpoints:
            found.update((row.key, row) for row in _of_endpoint(settings, endpoint, service))
        if config.source is not None:
            data = dict(_at(config.source.document.data, base) or {})
            data.pop("endpoints", None)
            for keys, value in _leaves(data, base):
                add(dotted(keys[2:]), _shown(keys, value, environ), config.source.place(keys))
    return list(found.values())


def _of_endpoint(settings: Settings, name: str, service: str | None) -> Iterator[ShownValue]:
    """The values of one endpoint: its address first, an address of flag or environment hiding the file's."""
    prefix = name if service is None else f"services.{service}.endpoints.{name}"
    found = settings.found(name, service)
    chosen = found.outside
    rows: list[ShownValue] = []
    address: ShownValue | None = None
    for placed in found.placed:
        if service is not None and placed.keys[2] != "services":
            continue  # the context's own, shown under its own key
        raw = _at(placed.source.document.data, placed.keys)
        data = {"url": raw} if isinstance(raw, str) else dict(raw or {})
        http = settings.placed_http_of(placed)
        unused = "" if found.fits(placed) else "belongs to another address"
        for keys, value in _leaves(data, placed.keys):
            row = ShownValue(
                key=f"{prefix}.{dotted(keys[len(placed.keys) :])}",
                value=_shown(keys, value, settings.environ),
                source=placed.source.place(keys),
                unused=unused if str(keys[len(placed.keys)]).startswith(BOUND) else "",
            )
            if keys[-1] in URL_FORMS and len(keys) == len(placed.keys) + 1:
                address = row
            else:
                rows.append(row)
        if http is not None and http.source is not placed.source:
            rows += _of_file(http.source, f"{prefix}.http_config", settings.environ, unused)
    if chosen is None and address is None and name == "kubernetes" and service is None:
        chosen = kubernetes_default(settings.environ)
    if chosen is not None:
        key = f"{prefix}.{'kubeconfig' if name == 'kubernetes' else 'url'}"
        hides = (address.source,) if address is not None else ()
        text = _address(chosen, name, settings.environ)
        address = ShownValue(key=key, value=text, source=chosen.setting, hides=hides)
    return iter([*([address] if address is not None else []), *rows])


def _of_file(source: SourceFile, prefix: str, environ: Mapping[str, str], unused: str) -> Iterator[ShownValue]:
    for keys, value in _leaves(source.document.data or {}, ()):
        key, text = f"{prefix}.{dotted(keys)}", _shown(keys, value, environ)
        yield ShownValue(key=key, value=text, source=source.place(keys), unused=unused)


def _address(chosen: Chosen, name: str, environ: Mapping[str, str]) -> str:
    if chosen.url:
        return shown(chosen.url) if name == "kubernetes" and ":" not in chosen.url else without_password(chosen.url)
    if name == "postgres":
        return " ".join(f"{key}={environ[key]}" for key in (*LIBPQ, "PGUSER", "PGSSLMODE") if environ.get(key))
    return "in-cluster"


def _at(data: Any, keys: Keys) -> Any:
    for key in keys:
        data = data[key] if data is not None else None
    return data


def _leaves(value: Any, keys: Keys) -> Iterator[tuple[Keys, Any]]:
    """Scalars and lists with their key paths; empty mappings have none."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*keys, key))
    elif value is not None:
        yield keys, value


def _shown(keys: Keys, value: Any, environ: Mapping[str, str]) -> str:
    key = str(keys[-1])
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        if key == "secrets":
            return "(secret)"
        text = " ".join(_shown((*keys, i), v, environ) for i, v in enumerate(value))
        return redact(text) if key.endswith("_command") else text
    if is_secret(keys) and value != "":
        return "(secret)"
    if key.endswith("_env"):
        return f"{value}" if environ.get(str(value)) else f"{value} (not set)"
    return without_password(str(value))

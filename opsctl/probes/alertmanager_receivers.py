"""Receivers of an Alertmanager configuration that are used and tell nobody. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from opsctl.errors import CouldNotLook


def silent_routes(original: str) -> list[str]:
    """The names of receivers without any integration to which a route leads. Raises CouldNotLook "bad-answer"."""
    import yaml

    try:
        config = yaml.load(original, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - a safe loader
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise CouldNotLook("bad-answer", f"Alertmanager's configuration is not readable: {error}") from None
    if not isinstance(config, dict) or not isinstance(config.get("receivers"), list):
        raise CouldNotLook("bad-answer", "Alertmanager does not show its configuration")
    silent = {
        str(receiver.get("name"))
        for receiver in config["receivers"]
        if isinstance(receiver, dict) and not any(key.endswith("_configs") and receiver[key] for key in receiver)
    }
    return sorted(silent & set(_used(config.get("route"), 0)))


def _used(route: Any, depth: int) -> Iterator[str]:
    """The receivers of a route and of those below it."""
    if not isinstance(route, dict) or depth > 50:
        return
    if route.get("receiver"):
        yield str(route["receiver"])
    for inner in route.get("routes") or ():
        yield from _used(inner, depth + 1)

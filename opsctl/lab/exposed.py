"""The metrics page of a simulated service, and the ways in which it goes wrong while the service itself is well."""

from __future__ import annotations

from collections.abc import Callable

from opsctl.lab import clock
from opsctl.lab.metrics import Registry
from opsctl.lab.part import Switches
from opsctl.lab.web import Answer, Request, page

BROKEN_LINE = b'lab_exporter_build{version="2.0" 1\n'  # the closing brace is missing


def metrics_page(service: str, registry: Registry, switches: Switches) -> Callable[[Request], Answer]:
    """The handler of the page. Faults ``SERVICE-…``: collector-stopped, metrics-disabled, page-broken, page-500,
    clock-wrong (the last for the whole process)."""
    kept: list[bytes] = []
    name = f"{service}-{{}}".format

    def change(on: frozenset[str]) -> None:
        clock.set_skew(clock.SKEW if name("clock-wrong") in on else 0.0)
        kept[:] = (kept or [registry.page()]) if name("collector-stopped") in on else []

    def handler(_: Request) -> Answer:
        if name("page-500") in switches:
            return Answer(500, {"detail": "RuntimeError: dictionary changed size during iteration"})
        if name("metrics-disabled") in switches:
            return page(registry.page(only="process_"))
        body = kept[0] if kept else registry.page()
        return page(body + BROKEN_LINE if name("page-broken") in switches else body)

    switches.when_changed(change)
    return handler

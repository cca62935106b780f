"""What the acceptance tests tell at the end of a run: the table of all faults of the lab."""

from __future__ import annotations

from typing import Any

from tests.acceptance import table


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Runbook, service, fault, what was found first; one row per diagnosis."""
    if table.rows:
        terminalreporter.section("faults of the lab")
        for line in table.lines():
            terminalreporter.line(line)

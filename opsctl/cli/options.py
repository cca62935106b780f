"""Options that several commands share, and the root options as commands see them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, NamedTuple

import typer


class Format(StrEnum):
    """Formats that every command has."""

    text = "text"
    json = "json"


class ReportFormat(StrEnum):
    """Formats of a report."""

    text = "text"
    json = "json"
    markdown = "markdown"
    html = "html"


Output = Annotated[Format, typer.Option("-o", "--output", help="text for people, json for machines.")]
ReportOutput = Annotated[
    ReportFormat,
    typer.Option(
        "-o",
        "--output",
        help="text for people, json for machines, markdown for a ticket, html: one page with plots (on a terminal it "
        "goes to a file, whose name is printed).",
    ),
]
Service = Annotated[
    str | None,
    typer.Option("-s", "--service", help="The service to look at; see `opsctl service list`.", metavar="NAME"),
]


class Root(NamedTuple):
    """The root options: ``opsctl --config FILE --context NAME --runbooks DIR COMMAND``."""

    config: str | None = None
    context: str | None = None
    runbooks: str | None = None

    def dirs(self) -> list[Path]:
        """Runbook folders in search order; the built-in set is last."""
        from opsctl.config.places import runbook_dirs

        return runbook_dirs(self.runbooks)


def root_of(ctx: typer.Context) -> Root:
    """The root options of this run."""
    found = ctx.find_root().obj
    return found if isinstance(found, Root) else Root()

"""Writes what is generated from the program itself: completions, help, JSON Schemas, the runbooks' index and page.

``python -m opsctl.cli.generate [--check]``: ``make docs`` writes, a test checks.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from opsctl.cli.output import note
from opsctl.errors import ConfigError

if TYPE_CHECKING:
    from opsctl.runbooks.model import ProbeUse


def files(root: Path) -> Mapping[Path, str]:
    """Path -> content of every generated file of the repository at ``root``."""
    from opsctl.actions.registry import all_actions
    from opsctl.cli.action import about_actions, uses_of
    from opsctl.cli.app import tree
    from opsctl.cli.manifest import walk
    from opsctl.completion import bash, fish, zsh
    from opsctl.config.schema import config_schema
    from opsctl.probes.registry import all_probes
    from opsctl.remediation.action_page import as_markdown as action_page
    from opsctl.remediation.lint import lint_mitigation
    from opsctl.remediation.planfile import plan_schema
    from opsctl.report.as_json import schema as report_schema
    from opsctl.report.page import as_markdown as runbook_page
    from opsctl.report.probe_page import as_markdown as probe_page
    from opsctl.runbooks.find import find
    from opsctl.runbooks.index import build
    from opsctl.runbooks.load import load_file
    from opsctl.runbooks.pages import readme
    from opsctl.runbooks.schema import as_text, runbook_schema
    from opsctl.services.find import list_profiles
    from opsctl.services.load import load_file as load_profile
    from opsctl.services.schema import profile_schema
    from opsctl.silences.policy import policy_schema
    from opsctl.silences.schedule_file import schedules_schema

    commands = walk()
    books = root / "runbooks"
    command = tree()
    probes = all_probes()
    profiles = [load_profile(path) for path in list_profiles([books]).values()]
    uses: dict[str, dict[str, list[ProbeUse]]] = {id: {} for id in probes}
    pages: dict[Path, str] = {}
    for name, path in find([books]).items():
        book = load_file(path).runbook
        for says in lint_mitigation(book, profiles):
            raise ConfigError(says, place=str(path))
        pages[books / "pages" / f"{name}.md"] = runbook_page(book)
        for use in book.diagnosis:
            uses[use.probe].setdefault(name, []).append(use)
    for id, probe in probes.items():
        pages[books / "pages/probes" / f"{id}.md"] = probe_page(probe, uses[id])
    told = about_actions()
    applied = uses_of([books])
    for id, action in all_actions().items():
        pages[books / "pages/actions" / f"{id}.md"] = action_page(action, applied.get(id, {}))
    context = command.make_context("opsctl", [], resilient_parsing=True, max_content_width=80, terminal_width=80)
    return {
        root / "opsctl/cli/help.txt": command.get_help(context).rstrip() + "\n",
        root / "completions/opsctl.bash": bash.script(commands),
        root / "completions/_opsctl": zsh.script(commands),
        root / "completions/opsctl.fish": fish.script(commands),
        books / "index.json": build(books, told),
        books / "README.md": readme(books),
        books / "schema/runbook.json": as_text(
            runbook_schema({id: action.params for id, action in all_actions().items()})
        ),
        books / "schema/service.json": as_text(profile_schema()),
        books / "schema/report.json": as_text(report_schema()),
        books / "schema/plan.json": as_text(plan_schema()),
        books / "schema/opsctl.json": as_text(config_schema()),
        books / "schema/silence-policy.json": as_text(policy_schema()),
        books / "schema/silence-schedules.json": as_text(schedules_schema()),
        **pages,
    }


def stale(root: Path) -> list[Path]:
    """Generated files that differ from what they should be, and pages of what is no more."""
    current = files(root)
    differing = [
        path for path, content in current.items() if not path.exists() or path.read_text(encoding="utf-8") != content
    ]
    return differing + [path for path in sorted((root / "runbooks/pages").rglob("*.md")) if path not in current]


def main(argv: list[str]) -> int:
    """Write the files, or with ``--check`` only say which differ (exit 1)."""
    root = Path(__file__).resolve().parents[2]
    try:
        return _check(root) if "--check" in argv else _write(root)
    except ConfigError as error:  # a built-in file with a mistake has no place in the index
        note(error.sentence())
        return error.code


def _check(root: Path) -> int:
    differing = stale(root)
    for path in differing:
        note(f"{path.relative_to(root)} is not what `make docs` would write")
    return 1 if differing else 0


def _write(root: Path) -> int:
    current = files(root)
    for path in (root / "runbooks/pages").rglob("*.md"):
        if path not in current:
            path.unlink()
            note(f"removed {path.relative_to(root)}")
    for path, content in current.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != content:
            path.write_text(content, encoding="utf-8")
            note(f"wrote {path.relative_to(root)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

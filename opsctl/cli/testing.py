"""``opsctl runbook test``: the cases of runbooks, run and made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from opsctl.cli.result import Result

if TYPE_CHECKING:
    from opsctl.report.cases import Outcome
    from opsctl.report.style import Style

FAILED = 2


class Wanted(NamedTuple):
    """A case to be made, as it was asked for."""

    report: str
    first: str
    never: tuple[str, ...]
    verdict: str
    title: str
    cases: str | None


def run_cases(names: Sequence[str], chosen: str | None, dirs: list[Path], output: str) -> Result:
    """Run the cases of the named runbooks, or all there are. Raises UsageError for an unknown name."""
    from opsctl.config.places import shown
    from opsctl.nearest import unknown_name
    from opsctl.report import cases
    from opsctl.runbooks.find import find

    books = find(dirs)
    found = cases.find(cases.folders(dirs, chosen))
    for name in names:
        if name not in books and all(one.runbook != name for one in found):
            raise unknown_name("runbook", name, books)
    wanted = [one for one in found if not names or one.runbook in names]
    outcomes = [cases.run(one, dirs) for one in wanted]
    failed = sum(not outcome.ok for outcome in outcomes)
    have = {one.runbook for one in wanted}
    without = [name for name in (names or books) if name not in have]
    bad = bool(failed or (names and without) or not outcomes)

    def text(style: Style) -> str:
        lines = [line for outcome in outcomes for line in _lines(outcome, style)]
        if without:
            lines.append(f"without a case: {', '.join(without)}")
        if without and (names or not outcomes):
            lines.append("make one from a saved report: opsctl runbook test --add last --first CAUSE")
        count = f"{len(outcomes)} case{'' if len(outcomes) == 1 else 's'}"
        lines.append(f"{count}, {failed} failed" if outcomes else f"no case was found{_where(chosen, dirs)}")
        return "\n".join(lines)

    def _where(chosen: str | None, dirs: Sequence[Path]) -> str:
        looked = [shown(chosen)] if chosen else [shown(cases.home_of(folder)) for folder in dirs]
        return f" (looked in {', '.join(looked)})"

    notes = tuple(dict.fromkeys(note for outcome in outcomes for note in outcome.notes))
    data = {"cases": outcomes, "failed": failed, "without": without}
    return Result(data, text, output, exit=FAILED if bad else 0, notes=notes)


def add_case(wanted: Wanted, dirs: list[Path], output: str) -> Result:
    """Make a saved report into a case, and run it. Raises UsageError, BadData, CannotWrite."""
    from typing import get_args

    from opsctl.config.places import expanded, shown
    from opsctl.errors import CannotWrite, UsageError
    from opsctl.model import VerdictWord
    from opsctl.nearest import unknown_name
    from opsctl.report import cases
    from opsctl.report.read import read_report
    from opsctl.report.store import folder_of_reports

    words = get_args(VerdictWord)
    if wanted.verdict and wanted.verdict not in words:
        raise unknown_name("verdict", wanted.verdict, words)
    if not (wanted.first or wanted.never or wanted.verdict):
        raise UsageError("a case must expect something", remedy="Add --first CAUSE, --never CAUSE or --verdict WORD.")
    kept = read_report(wanted.report, folder_of_reports())
    home = expanded(wanted.cases) if wanted.cases else _home(kept.report.runbook, dirs)
    case = cases.Case(
        report="",
        title=wanted.title,
        verdict=wanted.verdict,  # type: ignore[arg-type]  # it is one of the words
        first=wanted.first,
        never=wanted.never,
    )
    name = f"{kept.report.service}-{wanted.first or wanted.verdict or 'not-' + wanted.never[0]}"
    try:
        outcome = cases.add(kept, case, home, name, dirs)
    except OSError as error:
        raise CannotWrite(f"the case cannot be written: {error.strerror or error}", place=shown(home)) from None
    text = _added(outcome, wanted.cases)
    return Result(outcome, text, output, exit=0 if outcome.ok else FAILED, notes=kept.notes)


def _home(runbook: str, dirs: Sequence[Path]) -> Path:
    """Where a new case goes: to the folder of its runbook; of the built-in ones only in a checkout of the project."""
    from opsctl.config.places import built_in, config_dirs
    from opsctl.report.cases import home_of
    from opsctl.runbooks.find import find

    path = find(dirs).get(runbook)
    ours = path is not None and path.resolve().parent == built_in().resolve()
    if path is None or (ours and not home_of(built_in()).is_dir()):
        return home_of(config_dirs()[0] / "runbooks")
    return home_of(path.parent)


def _added(outcome: Outcome, chosen: str | None) -> Callable[[Style], str]:
    import shlex

    def text(style: Style) -> str:
        follow = f"Next  opsctl runbook test {outcome.runbook}" + (f" --cases {shlex.quote(chosen)}" if chosen else "")
        return "\n".join([f"Wrote {outcome.file}", *_lines(outcome, style), follow])

    return text


def _lines(outcome: Outcome, style: Style) -> list[str]:
    """``ok`` or ``failed``, the case, what came out; below a failed one why."""
    import textwrap

    word = style.paint("ok", "green") + "    " if outcome.ok else style.paint("failed", "bold", "red")
    told = f"{outcome.confirmed[0] if outcome.confirmed else 'no cause'}, {outcome.verdict}" if outcome.verdict else ""
    lines = [f"{word}  {outcome.runbook}/{outcome.case}  {told}".rstrip()]
    for why in outcome.why:
        lines += textwrap.wrap(why, style.width, initial_indent="        ", subsequent_indent="        ")
    return lines

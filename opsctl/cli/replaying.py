"""``opsctl diagnose RUNBOOK --replay REPORT``: today's runbook and profile on the evidence of a saved report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsctl.cli.looking import result_of
from opsctl.cli.request import Request
from opsctl.cli.result import Result

if TYPE_CHECKING:
    from opsctl.runbooks.load import Loaded


def replay(loaded: Loaded, request: Request) -> Result:
    """Judge a saved report anew; asks no system. The service is the report's.

    Raises UsageError (64) for an unknown report or another service's, BadData (65) for a report that cannot be read.
    """
    from opsctl.report.read import read_report
    from opsctl.report.store import folder_of_reports
    from opsctl.runbooks.find import find
    from opsctl.runbooks.overrides import profile_with
    from opsctl.runbooks.replay import parameters_for
    from opsctl.runbooks.replay import replay as judge_anew
    from opsctl.services.load import load_profile

    assert request.replay is not None
    dirs = request.root.dirs()
    kept = read_report(request.replay, folder_of_reports())
    profile = profile_with(load_profile(request.service or kept.report.service, dirs), kept.report.override)
    parameters = parameters_for(loaded.runbook, request.parameters, kept.report)
    report = judge_anew(loaded, profile, kept.report, parameters, tuple(find(dirs)), name=kept.path.stem)
    return result_of(report, request, kept.notes)

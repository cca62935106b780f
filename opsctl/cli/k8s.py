"""``opsctl k8s status|events|top``: the service's workloads on one screen. Changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from opsctl.cli.app import NearestGroup
from opsctl.cli.options import Format, Output, Service
from opsctl.cli.result import Result

if TYPE_CHECKING:
    from opsctl.report.style import Style

app = typer.Typer(cls=NearestGroup, no_args_is_help=True, rich_markup_mode=None, add_completion=False)

WORKLOAD = Annotated[
    str,
    typer.Option("--workload", metavar="NAME", help="One workload: its name in the profile, or KIND/NAME."),
]
TIMEOUT = Annotated[
    str, typer.Option("--timeout", metavar="DURATION", help="Total time; what is not seen by then is unknown.")
]
UNSEEN = 3  # exit code when something could not be looked at


@app.callback()
def k8s() -> None:
    """Look at a service on Kubernetes: workloads, events, use of CPU and memory. Changes nothing."""


@app.command()
def status(
    ctx: typer.Context,
    service: Service = None,
    workload: WORKLOAD = "",
    timeout: TIMEOUT = "20s",
    output: Output = Format.text,
) -> Result:
    """Workloads with their rollout, pods by state, autoscalers, disruption budgets, quotas.

    Exit code 0 when all could be looked at, 3 when something could not.
    """
    from opsctl.cli.k8s_look import cluster
    from opsctl.cli.k8s_status import collect

    with cluster(ctx, service, workload, timeout) as scope:
        seen = collect(scope)

    def text(style: Style) -> str:
        from opsctl.cli.k8s_text import status_text

        return status_text(seen, style)

    return Result(data=seen, text=text, output=output.value, exit=UNSEEN if seen.unseen else 0)


@app.command()
def events(
    ctx: typer.Context,
    service: Service = None,
    workload: WORKLOAD = "",
    warnings: Annotated[bool, typer.Option("--warnings", help="Warnings only.")] = False,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="How many at most.")] = 30,
    timeout: TIMEOUT = "20s",
    output: Output = Format.text,
) -> Result:
    """What the cluster said in the service's namespace, the newest first, each with how often.

    With --workload only what concerns that one and its pods. Exit code 0, or 3 when the list is not whole.
    """
    from opsctl.cli.k8s_events import collect
    from opsctl.cli.k8s_look import cluster

    with cluster(ctx, service, workload, timeout) as scope:
        seen = collect(scope, only=bool(workload), warnings=warnings, limit=limit)

    def text(style: Style) -> str:
        from opsctl.cli.k8s_text import events_text

        return events_text(seen, style)

    return Result(data=seen, text=text, output=output.value, exit=UNSEEN if seen.unseen else 0)


@app.command()
def top(
    ctx: typer.Context,
    service: Service = None,
    workload: WORKLOAD = "",
    timeout: TIMEOUT = "20s",
    output: Output = Format.text,
) -> Result:
    """What the containers use, beside what they ask for and what they may use. Averages of 15 to 30 s.

    Exit code 0, or 3 when the use is not measured (no metrics-server).
    """
    from opsctl.cli.k8s_look import cluster
    from opsctl.cli.k8s_top import collect

    with cluster(ctx, service, workload, timeout) as scope:
        seen = collect(scope)

    def text(style: Style) -> str:
        from opsctl.cli.k8s_text import top_text

        return top_text(seen, style)

    return Result(data=seen, text=text, output=output.value, exit=UNSEEN if seen.unseen else 0)

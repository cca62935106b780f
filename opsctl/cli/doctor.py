"""``opsctl doctor``: what stands between opsctl and a good look, with the remedy for each problem."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from opsctl.cli.options import Format, Output, Root, Service, root_of
from opsctl.cli.result import Result

if TYPE_CHECKING:
    from opsctl.config.settings import Settings
    from opsctl.doctor.model import Examination, Place
    from opsctl.errors import OpsctlError
    from opsctl.report.style import Style
    from opsctl.services.model import Profile

app = typer.Typer(rich_markup_mode=None, add_completion=False)


class Grants(StrEnum):
    """Systems whose monitoring role can be printed, and those (``-act``) whose acting role can."""

    postgres = "postgres"
    pgbouncer = "pgbouncer"
    redis = "redis"
    kubernetes = "kubernetes"
    alertmanager = "alertmanager"
    prometheus = "prometheus"
    postgres_act = "postgres-act"
    pgbouncer_act = "pgbouncer-act"
    redis_act = "redis-act"
    kubernetes_act = "kubernetes-act"


@app.command()
def doctor(
    ctx: typer.Context,
    service: Service = None,
    all_: Annotated[bool, typer.Option("--all", help="Look at the endpoints of every service.")] = False,
    only: Annotated[
        str | None, typer.Option("--only", metavar="SYSTEM,...", help="Only these: postgres,redis,prometheus,...")
    ] = None,
    timeout: Annotated[
        str, typer.Option("--timeout", metavar="DURATION", help="Total time; what has not answered is unknown.")
    ] = "20s",
    grants: Annotated[
        Grants | None,
        typer.Option(
            "--grants", help="Print the least-privilege setup of a new role, -act: of one that acts; look at nothing."
        ),
    ] = None,
    role: Annotated[
        str, typer.Option("--role", metavar="NAME", help="Its name, with --grants; else opsctl, or opsctl_act.")
    ] = "",
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Also show each check that is fine.")] = False,
    output: Output = Format.text,
) -> Result:
    """Check what opsctl can reach and may see. Each problem comes with its remedy. Changes nothing.

    Exit: 0 all fine, 1 something optional is missing, 2 something that an objective needs, 3 it could not be told.
    """
    if grants is not None:
        from opsctl.doctor.acts import default_role
        from opsctl.doctor.grants import setup

        role = role or default_role(grants.value)
        text = setup(grants.value, role)
        return Result({"system": grants.value, "role": role, "setup": text}, text, output)
    found = _examine(root_of(ctx), service, all_, only, timeout)

    def render(style: Style) -> str:
        from opsctl.doctor.as_text import render as as_text

        return as_text(found, style, verbose=verbose)

    return Result(found, render, output, exit=found.exit)


def _examine(root: Root, service: str | None, everything: bool, only: str | None, timeout: str) -> Examination:
    from opsctl.config.settings import load_settings
    from opsctl.doctor.examine import KINDS, Asked, examine
    from opsctl.durations import parse_duration
    from opsctl.errors import ConfigError, UsageError

    total = parse_duration(timeout)
    if total <= 0:
        raise UsageError("--timeout must be longer than 0s")
    if everything and service is not None:
        raise UsageError("--all and -s exclude each other")
    dirs = root.dirs()
    failure: OpsctlError | None = None
    settings: Settings | None = None
    try:
        settings = load_settings(root.config, root.context)
    except ConfigError as error:
        failure = error
    profiles = _profiles(root, settings, service, everything) if settings is not None else []
    kinds = tuple(part.strip() for part in (only or "").split(",") if part.strip())
    known = {*KINDS, *(name for profile in profiles for name in profile.endpoints)}
    known |= {name for name, _ in settings.named()} if settings is not None else set()
    for kind in kinds:
        if kind not in known:
            from opsctl.nearest import unknown_name

            raise unknown_name("system", kind, known)
    here = _here(root, settings, profiles, failure) if not kinds else []
    if not kinds or "ledger" in kinds:
        from opsctl.doctor.ledger import local

        here.append(local(settings, os.environ))
    if settings is None:
        from opsctl.doctor.model import Examination, verdict

        code, says = verdict(tuple(here))
        return Examination(exit=code, says=says, places=tuple(here))
    return examine(Asked(profiles, dirs, total, kinds), settings, here)


def _profiles(root: Root, settings: Settings, service: str | None, everything: bool) -> list[Profile]:
    """The services meant: the one named, all, else those that the context names. Raises UsageError, ConfigError."""
    from opsctl.services.find import list_profiles
    from opsctl.services.load import apply_override, load_profile

    dirs = root.dirs()
    names = [service] if service is not None else list(list_profiles(dirs)) if everything else settings.services()
    return [apply_override(load_profile(name, dirs), settings.override(name)) for name in names]


def _here(root: Root, settings: Settings | None, profiles: list[Profile], failure: OpsctlError | None) -> list[Place]:
    """What this host itself tells: configuration, runbooks, Python, terminal, folders."""
    from opsctl.doctor import files, local

    found = [files.configuration(root.config, os.environ, failure), files.books(root.runbooks, os.environ)]
    if settings is not None and settings.spec.kubernetes is not None:
        keys = files.kubeconfigs([settings.spec.kubernetes.kubeconfig], os.environ)
        found += [keys] if keys is not None else []
    return [*found, local.examine(os.environ, profiles)]

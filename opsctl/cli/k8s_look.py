"""From the options of ``opsctl k8s`` to a namespace that can be read."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from opsctl.cli.options import root_of
from opsctl.errors import ConfigError, CouldNotLook, NotConfigured, OpsctlError, Refused, Unavailable, UsageError

if TYPE_CHECKING:
    import typer

    from opsctl.probes.kubernetes_scope import Scope


@contextmanager
def cluster(ctx: typer.Context, service: str | None, workload: str, timeout: str) -> Iterator[Scope]:
    """The namespace of the service; closed at the end. A CouldNotLook from inside becomes the error that ends it.

    Raises UsageError, ConfigError (78: no workloads, no kubeconfig), Refused (77), Unavailable (69).
    """
    import msgspec

    from opsctl.actions.kubernetes_workload import named
    from opsctl.cli.looking import only_service
    from opsctl.clients.readers import Readers
    from opsctl.config.settings import load_settings
    from opsctl.durations import parse_duration
    from opsctl.probes.kubernetes_scope import Scope
    from opsctl.probes.look import Look
    from opsctl.services.load import apply_override, load_profile
    from opsctl.services.measured import signals_of
    from opsctl.services.model import Kubernetes
    from opsctl.services.resolve import resolver

    root = root_of(ctx)
    dirs = root.dirs()
    seconds = parse_duration(timeout)
    if seconds <= 0:
        raise UsageError("--timeout must be longer than 0s")
    settings = load_settings(root.config, root.context, {}, os.environ)
    name = service or only_service(settings, dirs)
    profile = apply_override(load_profile(name, dirs), settings.override(name))
    if workload:
        declared = profile.kubernetes or Kubernetes()
        wanted = declared.workloads.get(workload) or named(workload)
        only = msgspec.structs.replace(declared, workloads={workload: wanted})
        profile = msgspec.structs.replace(profile, kubernetes=only)
    readers = Readers(resolver(profile, settings))
    look = Look(
        runbook="",
        profile=profile,
        readers=readers,
        signals=signals_of(readers, profile, direct=False),
        now=time.time(),
        at=None,
        since=0.0,
        deadline=time.monotonic() + seconds,
    )
    try:
        yield Scope(look)
    except CouldNotLook as failure:
        raise ended(failure) from None
    finally:
        readers.close()


def ended(failure: CouldNotLook) -> OpsctlError:
    """The error that ends a command which has nothing to show."""
    if isinstance(failure, NotConfigured):
        return ConfigError(failure.says, place=failure.setting)
    place = f"{failure.address} ({failure.setting})" if failure.address and failure.setting else failure.address
    if failure.reason in ("unauthorized", "forbidden"):
        return Refused(failure.says, place=place)
    return Unavailable(failure.says, place=place)

"""Failures of the engine that end a command, and what a failed look becomes there."""

from __future__ import annotations

from opsctl.errors import ConfigError, CouldNotLook, NotConfigured, OpsctlError, Refused, Unavailable


class NothingToDo(OpsctlError):
    """No target is left: nobody meant "all" by it (runbook-automation 6, Diskerase)."""

    code = 1


def ended_by(failure: CouldNotLook, what: str) -> OpsctlError:
    """The error that ends the command where ``what`` (``the plan``) needed an answer."""
    place = f"{failure.address} ({failure.setting})" if failure.address and failure.setting else failure.address
    says = f"{what} could not be made: {failure.says}"
    if isinstance(failure, NotConfigured):
        return ConfigError(says, place=failure.setting)
    if failure.reason in ("unauthorized", "forbidden"):
        return Refused(says, place=place)
    return Unavailable(says, place=place)

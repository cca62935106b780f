"""Whether a server's clock and ours agree: times in reports, silences and certificates depend on it."""

from __future__ import annotations

from opsctl.doctor.model import Checks, Remedy
from opsctl.durations import format_duration

SKEW = 5.0  # seconds that are noticed: a silence or sample from the future is ignored without a word (2.6)

REMEDY = Remedy(how="On the host whose clock is wrong", run="timedatectl set-ntp true && timedatectl timesync-status")


def compare(checks: Checks, server: float, *, before: float, after: float, resolution: float = 0.0) -> None:
    """Hold a server's time against ours. All unix seconds: ``before`` and ``after`` the question, by our clock.

    ``resolution``: the server's value was cut down to it (1 s for an HTTP Date).
    """
    away = server + resolution / 2 - (before + after) / 2
    error = (after - before) / 2 + resolution / 2
    if abs(away) - error <= SKEW:
        checks.ok("clock", f"its clock agrees with this host's to {max(1.0, abs(away) + error):.0f} s")
        return
    side = "ahead of" if away > 0 else "behind"
    says = f"its clock is {format_duration(round(abs(away)))} {side} this host's (more than {SKEW:g} s is noticed)"
    checks.breach("clock", says, REMEDY)

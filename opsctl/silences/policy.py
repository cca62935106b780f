"""The policy for silences: one YAML file that a team shares, checked while it is read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from opsctl.durations import parse_duration, parse_quantity
from opsctl.errors import UsageError
from opsctl.silences.matcher import Matcher, parse


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a silence may be. The defaults hold where no file says otherwise.

    ``max_duration``: from now or its start to its end. ``max_share``: of the alerts that fire now, judged from
    ``share_from`` firing alerts on. ``never_alone``: labels that are too wide without another one beside them.
    ``protected``: matchers of alerts that only ``--allow`` with a reason may mute.
    """

    max_duration: str = "24h"
    min_matchers: int = 1
    never_alone: tuple[str, ...] = ("severity", "cluster", "prometheus", "environment", "env", "region", "job")
    max_share: str | float = "50%"
    share_from: int = 4
    protected: tuple[str, ...] = ("alertname=Watchdog", "severity=critical")
    ticket: bool = False
    ticket_pattern: str = ""
    comment_max: int = 2000

    def __post_init__(self) -> None:
        try:
            longest, share = parse_duration(self.max_duration), float(parse_quantity(self.max_share))
            for text in self.protected:
                parse(text)
        except UsageError as error:
            raise ValueError(error.sentence()) from None
        if longest <= 0:
            raise ValueError("max_duration must be longer than 0s")
        if not 0 < share <= 1:
            raise ValueError("max_share is a share between 0 and 100%")
        if self.min_matchers < 1:
            raise ValueError("min_matchers is at least 1: a silence without a matcher mutes everything")

    @property
    def longest(self) -> float:
        """Seconds."""
        return parse_duration(self.max_duration)

    @property
    def share(self) -> float:
        """0 to 1."""
        return float(parse_quantity(self.max_share))

    @property
    def protected_matchers(self) -> tuple[Matcher, ...]:
        """Each protects the alerts that it matches."""
        return tuple(parse(text) for text in self.protected)


def load_policy(path: Path | None) -> Policy:
    """The policy of a file, or the defaults without one. Raises ConfigError with file and line."""
    if path is None:
        return Policy()
    from opsctl.config.yamlfile import read_struct

    return read_struct(path, Policy, what="silence policy")


FILE = "silence-policy.yaml"
VARIABLE = "OPSCTL_SILENCE_POLICY"


def find_policy(flag: str | None, environ: Mapping[str, str] | None = None) -> Path | None:
    """The policy's file: ``--policy``, $OPSCTL_SILENCE_POLICY, the user's or the system's configuration folder."""
    from opsctl.config.places import config_dirs, expanded

    environ = os.environ if environ is None else environ
    named = flag or environ.get(VARIABLE, "")
    if named:
        return expanded(named)
    return next((path for folder in config_dirs(environ) if (path := folder / FILE).exists()), None)


def policy_schema() -> dict[str, Any]:
    """The JSON Schema of the policy's file, for editors."""
    made = msgspec.json.schema(Policy)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"opsctl {FILE}", **made}

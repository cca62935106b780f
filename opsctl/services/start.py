"""The start of a profile: two signals and one objective, enough for a first diagnosis."""

from __future__ import annotations

import re
from pathlib import Path

from opsctl.config.places import shown
from opsctl.errors import CannotWrite, UsageError
from opsctl.services.find import FOLDER

_TEXT = """\
# Service profile of {name}: where it is, what is measured, what counts as broken. Then: opsctl service lint {name}
service: {name}
title: {title}
severities: {{critical: sev1, warning: sev3}}
# prometheus_labels: {{job: {name}}} # when one Prometheus watches several services
endpoints:
  metrics: {{kind: metrics, url: "{metrics}"}} # used when no Prometheus answers (PROMETHEUS_URL)
signals:
  latency_p99:
    quantile: 0.99
    histogram: http_request_duration_seconds # your histogram, without _bucket
    unit: s
  request_rate: {{rate: http_request_duration_seconds_count, unit: per_second}}
objectives:
  - id: latency-p99
    runbook: high-latency
    signal: latency_p99
    bands:
      - {{above: 500ms, up_to: 1s, for: 5m, severity: warning}}
      - {{above: 1s, for: 2m, severity: critical}}
"""


def profile_start(name: str, metrics: str, title: str = "") -> str:
    """The YAML text. Raises UsageError for a name or address that no profile may have."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", name):
        raise UsageError(f"{name!r} cannot name a service", remedy="Use a-z, 0-9 and -, for instance checkout-api.")
    if not re.fullmatch(r"https?://[^\s\"'\\@]+", metrics):
        raise UsageError(
            f"--metrics {metrics!r} is not an address",
            remedy="Write it as http://host:port/metrics, without a password.",
        )
    plain = " ".join(re.sub(r"[^\w .,()/-]", " ", title).split())
    return _TEXT.format(name=name, metrics=metrics, title=f'"{plain or name}"')


def write_start(folder: Path, name: str, text: str) -> Path:
    """Write the profile below a runbook folder. Raises UsageError when there is one, CannotWrite."""
    path = folder / FOLDER / f"{name}.yaml"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(
            "this profile is there already", place=shown(path), remedy="Edit it, or choose another name."
        ) from None
    except OSError as error:
        raise CannotWrite(f"the profile cannot be written: {error.strerror or error}", place=shown(path)) from None
    return path

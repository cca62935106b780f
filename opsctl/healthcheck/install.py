"""What makes a healthcheck run by itself, as text: a crontab line, systemd units, a Kubernetes CronJob."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from opsctl.durations import format_duration
from opsctl.errors import UsageError

_DAY = 86400
_EVERY = "1m 2m 5m 10m 15m 20m 30m 1h 2h 3h 4h 6h 8h 12h 24h"


class Timed(NamedTuple):
    """One check and how often it runs. ``command``: opsctl with its root options; ``flags``: of ``healthcheck``.

    ``every``, ``timeout``, ``jitter``: seconds. ``environ``: variables that the check needs to find its files.
    """

    command: tuple[str, ...]
    flags: tuple[str, ...]
    every: int
    timeout: float
    jitter: float
    environ: Mapping[str, str]

    def argv(self, *more: str) -> list[str]:
        """The whole command line."""
        return [*self.command, "healthcheck", *self.flags, *more]


def fields(every: int) -> str:
    """The five fields of cron; raises UsageError for an interval that cron cannot keep evenly."""
    minutes, rest = divmod(every, 60)
    if not rest and 0 < minutes < 60 and 60 % minutes == 0:
        return "* * * * *" if minutes == 1 else f"*/{minutes} * * * *"
    hours, rest = divmod(every, 3600)
    if not rest and 0 < hours <= 24 and 24 % hours == 0:
        return "0 * * * *" if hours == 1 else "0 0 * * *" if hours == 24 else f"0 */{hours} * * *"
    says = f"cron cannot run something every {format_duration(float(every))} evenly"
    raise UsageError(says, remedy=f"Choose one of {_EVERY.replace(' ', ', ')}.")


def cron(timed: Timed) -> str:
    """A crontab line. cron gives little: /bin/sh, a short PATH, no terminal; it mails whatever is printed."""
    when = fields(timed.every)
    lines = [
        f"# opsctl healthcheck every {format_duration(float(timed.every))}. Add it with: crontab -e",
        "# Nothing is printed while all is well, so cron mails only what is not (MAILTO=you@example.com above it).",
        *(f"{name}={value}" for name, value in timed.environ.items()),
    ]
    command = shlex.join(timed.argv("--jitter", _seconds(timed.jitter)) if timed.jitter else timed.argv())
    escaped = command.replace("%", "\\%")  # an unescaped one is a line break to cron
    return "\n".join([*lines, f"{when} {escaped}"]) + "\n"


def systemd(timed: Timed) -> str:
    """A service and its timer, divided by comments that name the files."""
    command = " ".join(_unit_word(word) for word in timed.argv())
    environ = {"XDG_STATE_HOME": "%S", **{k: v.replace("%", "%%") for k, v in timed.environ.items()}}
    writes = _folder_of(_value_of(timed.flags, "--textfile"))
    lines = [
        "# /etc/systemd/system/opsctl-healthcheck.service",
        "[Unit]",
        "Description=opsctl healthcheck",
        "Wants=network-online.target",
        "After=network-online.target",
        "",
        "[Service]",
        "Type=oneshot",
        f"ExecStart={command}",
        *(f'Environment="{name}={value}"' for name, value in environ.items()),
        "StateDirectory=opsctl",
        f"TimeoutStartSec={timed.timeout + 10:.0f}",
        "# Run it as a user of its own, who can read the configuration: User=opsctl",
        "NoNewPrivileges=yes",
        "PrivateTmp=yes",
        "ProtectSystem=strict",
        *([f"ReadWritePaths={writes}"] if writes else []),
        "",
        "# /etc/systemd/system/opsctl-healthcheck.timer, then: systemctl enable --now opsctl-healthcheck.timer",
        "[Unit]",
        "Description=opsctl healthcheck every " + format_duration(float(timed.every)),
        "",
        "[Timer]",
        f"OnCalendar={_calendar(timed.every)}",
        *([f"RandomizedDelaySec={timed.jitter:.0f}"] if timed.jitter else []),
        "Persistent=true",
        "",
        "[Install]",
        "WantedBy=timers.target",
    ]
    return "\n".join(lines) + "\n"


def kubernetes(timed: Timed, *, image: str, namespace: str) -> str:
    """A CronJob. Configuration: ConfigMap ``opsctl`` (opsctl.yaml); secrets: Secret ``opsctl`` as variables."""
    argv = ["opsctl", *timed.command[_roots(timed.command) :], "healthcheck", *timed.flags]
    arguments = "\n".join(f"                - {_yaml(word)}" for word in argv)
    return f"""\
# opsctl healthcheck every {format_duration(float(timed.every))}. Apply it with: kubectl apply -f -
# ConfigMap opsctl holds opsctl.yaml; Secret opsctl the variables that it refers to. Both may be absent.
# --on-change needs a volume that outlives the pod in the place of the emptyDir.
apiVersion: batch/v1
kind: CronJob
metadata:
  name: opsctl-healthcheck
  namespace: {_yaml(namespace)}
spec:
  schedule: {_yaml(fields(timed.every))}
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: {min(timed.every, 600)}
  successfulJobsHistoryLimit: 1
  failedJobsHistoryLimit: 3
  jobTemplate:
    spec:
      backoffLimit: 0
      activeDeadlineSeconds: {timed.timeout + timed.jitter + 30:.0f}
      template:
        spec:
          restartPolicy: Never
          securityContext:
            runAsNonRoot: true
            runAsUser: 65532
            seccompProfile: {{type: RuntimeDefault}}
          containers:
            - name: healthcheck
              image: {_yaml(image)}
              command:
{arguments}
              env:
                - {{name: XDG_STATE_HOME, value: /state}}
              envFrom:
                - secretRef: {{name: opsctl, optional: true}}
              resources:
                requests: {{cpu: 50m, memory: 64Mi}}
                limits: {{memory: 256Mi}}
              securityContext:
                allowPrivilegeEscalation: false
                readOnlyRootFilesystem: true
                capabilities: {{drop: [ALL]}}
              volumeMounts:
                - {{name: config, mountPath: /etc/opsctl, readOnly: true}}
                - {{name: state, mountPath: /state}}
                - {{name: tmp, mountPath: /tmp}}
          volumes:
            - name: config
              configMap: {{name: opsctl, optional: true}}
            - name: state
              emptyDir: {{}}
            - name: tmp
              emptyDir: {{}}
"""


def _roots(command: Sequence[str]) -> int:
    """Where the root options begin: after the program, or after ``python -m opsctl``."""
    return 3 if list(command[1:3]) == ["-m", "opsctl"] else 1


def _calendar(every: int) -> str:
    """The same moments as cron's."""
    fields(every)
    if every < 3600:
        return f"*:0/{every // 60}"
    return "*-*-* 00:00:00" if every == _DAY else f"*-*-* 00/{every // 3600}:00:00"


def _seconds(number: float) -> str:
    return format_duration(float(round(number)))


def _unit_word(word: str) -> str:
    """One argument as systemd reads it: ``%`` and ``$`` are its own."""
    escaped = word.replace("%", "%%").replace("$", "$$")
    if escaped and all(c.isalnum() or c in "-_./:=,@%+$" for c in escaped):
        return escaped
    quoted = escaped.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}"'


def _yaml(text: str) -> str:
    """A JSON string, which YAML reads as it is meant."""
    import json

    return json.dumps(text, ensure_ascii=False)


def _value_of(flags: Sequence[str], name: str) -> str:
    for at, word in enumerate(flags):
        if word == name and at + 1 < len(flags):
            return flags[at + 1]
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    return ""


def _folder_of(path: str) -> str:
    return path.rpartition("/")[0] if "/" in path else ""

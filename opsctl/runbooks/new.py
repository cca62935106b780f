"""A new runbook: a text that teaches as it goes and passes the lint at once; or a copy of another one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from opsctl.config.places import shown
from opsctl.errors import CannotWrite, UsageError
from opsctl.nearest import unknown_name

_TEXT = """\
# The runbook {name}. After every change: opsctl runbook lint {name}
# A service takes part when its profile binds an objective or a symptom to it (`runbook: {name}`).
runbook: {name}
title: {title}
alerts: # the alerts that this runbook answers; their annotation `runbook_url` leads here
  - {{alertname: {alert}}}
meaning: >
  What the alert says, in one or two sentences, and the first question to ask.
impact: >
  What users notice, and what breaks next when nobody acts.
parameters: # each becomes an option: --spike 3
  - {{name: spike, type: number, default: 2, help: Traffic counts as a spike above this many times the usual.}}
  - {{name: restart_within, type: duration, default: 10m, help: A restart counts if the trouble began this soon after.}}
# What is looked at, side by side. `opsctl probe list` names all probes, `opsctl probe show PROBE` what each finds.
diagnosis:
  - probe: signal.objectives # these two decide the verdict, by the service's profile
  - probe: symptom.shown
  # A probe on a signal names its own finding, which begins with `local.`; {{param: NAME}} takes a parameter's value.
  - probe: signal.usual
    with: {{signal: request_rate, above: {{param: spike}}, finding: local.traffic-spike}}
  - probe: signal.onset-after
    with: {{signal: process_started, within: {{param: restart_within}}, finding: local.since-start}}
  # `needs`: only for services whose profile has that dependency.
  - probe: postgres.locks
    needs: postgres
# The causes to tell apart. A finding in `confirms` speaks for a cause when it holds, one in `refutes` against it;
# {{ok: ID}} speaks against it when the finding does not hold.
causes:
  - cause: traffic-spike
    says: There are far more requests than usual.
    confirms: [local.traffic-spike]
    advice: Find out who sends them before adding capacity.
  - cause: recent-restart
    says: The trouble began right after the process started.
    confirms: [local.since-start]
    refutes: [local.traffic-spike]
    advice: Compare with the version that ran before.
  - cause: database-locks
    says: Statements wait for locks that another session holds.
    confirms: [postgres.lock-wait]
    needs: postgres
    advice: Look at the blocking session; ending its transaction frees all its victims.
    # try: [high-latency] # runbooks to go on with
escalate: Who is called when none of this helps.
version: "1"
"""


def runbook_start(name: str, origin: str | None, dirs: Sequence[Path]) -> tuple[str, tuple[str, ...]]:
    """The YAML text, and notes. ``origin``: a runbook to copy, or an alert to answer.

    Raises UsageError for a name that no runbook may have, or an origin that seems to be a misspelt runbook.
    """
    from opsctl.runbooks.find import find

    if not re.fullmatch(r"[a-z][a-z0-9-]{0,62}", name):
        raise UsageError(f"{name!r} cannot name a runbook", remedy="Use a-z, 0-9 and -, for instance queue-growing.")
    files = find(dirs)
    if origin is None:
        return _started(name, _camel(name)), ()
    if origin in files:
        return _copied(name, origin, files[origin]), ()
    if re.fullmatch(r"[a-z0-9-]+", origin):  # alerts are written otherwise: HighLatency, decision.latency.p99
        raise unknown_name("runbook", origin, files)
    if not re.fullmatch(r"[A-Za-z_:][A-Za-z0-9_:.-]{0,127}", origin):
        raise UsageError(f"--from {origin!r} names neither a runbook nor an alert", remedy="See `opsctl runbook list`.")
    return _started(name, origin), _answering(origin, files)


def write_start(folder: Path, name: str, text: str) -> Path:
    """Write it into a folder of runbooks. Raises UsageError when there is one, CannotWrite."""
    path = folder / f"{name}.yaml"
    try:
        if not folder.is_dir():
            folder.mkdir(parents=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        if folder.exists() and not folder.is_dir():
            raise CannotWrite("this is a file, not a folder for runbooks", place=shown(folder)) from None
        raise UsageError(
            "this runbook is there already", place=shown(path), remedy="Edit it, or choose another name."
        ) from None
    except OSError as error:
        raise CannotWrite(f"the runbook cannot be written: {error.strerror or error}", place=shown(path)) from None
    return path


def _started(name: str, alert: str) -> str:
    words = name.replace("-", " ")
    return _TEXT.format(name=name, title=words[0].upper() + words[1:], alert=alert)


def _copied(name: str, origin: str, path: Path) -> str:
    """The other runbook's text under the new name: comments and order stay, its alerts do not follow."""
    from opsctl.config.yamlfile import read_text

    text, _ = read_text(path, "runbook")
    text = re.sub(r"^# yaml-language-server:.*\n", "", text)
    text = re.sub(r"(?m)^runbook:.*$", f"runbook: {name}", text, count=1)
    text = re.sub(r"(?ms)^alerts:.*?(?=^[a-z_]+:)", f"alerts:\n  - {{alertname: {_camel(name)}}}\n", text, count=1)
    text = re.sub(r"(?m)^rows:.*\n", "", text)
    head = f"# The runbook {name}, begun as a copy of {origin}. After every change: opsctl runbook lint {name}\n"
    takes = f"# A service takes part when its profile binds an objective or a symptom to it (`runbook: {name}`).\n"
    return head + takes + text


def _answering(alert: str, files: dict[str, Path]) -> tuple[str, ...]:
    """Whether runbooks answer that alert already."""
    from opsctl.errors import ConfigError
    from opsctl.runbooks.load import load_file

    known = []
    for name, path in files.items():
        try:
            book = load_file(path).runbook
        except ConfigError:  # lint tells about it
            continue
        if any(ref.alertname == alert for ref in book.alerts):
            known.append(name)
    return (f"{alert} is answered by {', '.join(known)} already",) if known else ()


def _camel(name: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in name.split("-"))

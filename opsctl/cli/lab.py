"""``opsctl lab``: start the simulated stack, break it, heal it, end it."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opsctl.cli.app import NearestGroup
from opsctl.cli.options import Format, Output
from opsctl.cli.output import note
from opsctl.cli.result import Result

if TYPE_CHECKING:
    from opsctl.lab.fault import Fault
    from opsctl.lab.state import Lab

# Variables that would win over the lab's file.
OVERRIDES = ("PROMETHEUS_URL", "ALERTMANAGER_URL", "DATABASE_URL", "PGSERVICE", "PGHOST", "PGPORT", "REDIS_URL",
             "KUBECONFIG")  # fmt: skip

app = typer.Typer(
    cls=NearestGroup,
    help="A small simulated stack with faults to practise on.",
    rich_markup_mode=None,
    no_args_is_help=True,
    add_completion=False,
)
Dir = Annotated[
    str | None, typer.Option("--dir", metavar="DIR", help="The lab's folder; default: lab in the state folder.")
]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Whether to wait until the numbers show it.")]


def _folder(dir: str | None) -> Path:
    from opsctl.lab.control import default_folder

    return Path(dir).expanduser().absolute() if dir else default_folder()


def _known(names: list[str]) -> None:
    from opsctl.lab.faults import FAULTS
    from opsctl.nearest import unknown_name

    ids = [f.id for f in FAULTS]
    for name in names:
        if name not in ids:
            raise unknown_name("fault", name, ids)


def _exports(lab: Lab) -> dict[str, str]:
    """The environment that points opsctl at the lab."""
    return {"OPSCTL_CONFIG": str(Path(lab.folder) / "opsctl.yaml"), "OPSCTL_CONTEXT": "lab"}


@app.command()
def up(
    service: Annotated[
        list[str] | None,
        typer.Option("--service", "-s", metavar="NAME", help="Only this service and what it needs; may be repeated."),
    ] = None,
    dir: Dir = None,
    output: Output = Format.text,
) -> Result:
    """Start the lab in the background and wait until its numbers are warm (about 30 s)."""
    from opsctl.lab.control import up as start
    from opsctl.lab.files import SERVICES
    from opsctl.nearest import unknown_name

    for name in service or ():
        if name not in SERVICES:
            raise unknown_name("service of the lab", name, SERVICES)
    lab = start(_folder(dir), note, service)
    exports = _exports(lab)
    lines = [f"export {name}={shlex.quote(value)}" for name, value in exports.items()]
    lines += [f"unset {name}" for name in OVERRIDES if os.environ.get(name)]
    note('The lab runs. Point opsctl at it with these lines, or: eval "$(opsctl lab up)"')
    return Result({"environment": exports, "parts": _parts(lab)}, "\n".join(lines), output)


@app.command()
def down(dir: Dir = None, output: Output = Format.text) -> Result:
    """End the lab and remove what it made; works after a crash, too."""
    from opsctl.config.places import shown
    from opsctl.lab.control import down as stop

    folder = _folder(dir)
    ended = stop(folder)
    text = f"Ended {len(ended)} parts." if ended else f"No lab runs in {shown(folder)}."
    return Result({"ended": ended}, text, output)


@app.command()
def status(
    part: Annotated[
        str | None, typer.Argument(metavar="[PART]", help="Only this part; exit 0: it runs, 3: it does not.")
    ] = None,
    dir: Dir = None,
    output: Output = Format.text,
) -> Result:
    """Show the parts (real, double, simulated, absent) and what is switched on."""
    from opsctl.lab.control import ask, running

    if part is not None:
        return _one(dir, part, output)
    lab = running(_folder(dir))
    found = ask(lab, "GET", "/status")
    data = {"ready": found["ready"], "on": found["lab"]["on"], "parts": found["lab"]["parts"]}
    return Result(data, _table(data["parts"], data["on"]), output)


def _one(dir: str | None, name: str, output: Format) -> Result:
    """One part, as a process supervisor tells it."""
    from opsctl.lab.control import part
    from opsctl.lab.identity import start_time

    found = part(_folder(dir), name)[1]
    process = found.process
    runs = found.state == "up" and process is not None and start_time(process.pid) == process.started
    pid = process.pid if runs and process is not None else 0
    text = f"{name} runs, pid={pid}" if runs else f"{name} is {found.state if found.state != 'up' else 'ended'}"
    return Result({"part": name, "runs": runs, "pid": pid}, text, output, exit=0 if runs else 3)


@app.command("break")
def break_(
    faults: Annotated[list[str], typer.Argument(metavar="FAULT...", help="See `opsctl lab faults`.")],
    wait: Wait = True,
    dir: Dir = None,
    output: Output = Format.text,
) -> Result:
    """Switch on one fault or several, and wait until it shows in the numbers (about 30 s)."""
    from opsctl.lab.control import switch
    from opsctl.lab.faults import fault
    from opsctl.lab.warm import wait_shown

    _known(faults)
    on = switch(_folder(dir), faults)
    found = [f for name in faults if (f := fault(name)) is not None]
    lines = [f"{f.id}: {f.says}" for f in found]
    if wait:
        wait_shown(note)
    lines += [f"{'Look' if wait else 'In about 30 s'}:  {command}" for f in found for command in f.commands]
    return Result({"on": on}, "\n".join(dict.fromkeys(lines)), output)


@app.command()
def heal(
    faults: Annotated[
        list[str] | None, typer.Argument(metavar="[FAULT...]", help="None: all, distractors too.")
    ] = None,
    wait: Wait = True,
    dir: Dir = None,
    output: Output = Format.text,
) -> Result:
    """Switch off one fault, several, or everything, and wait until the numbers are normal again (about 30 s)."""
    from opsctl.lab.control import running, switch
    from opsctl.lab.warm import wait_gone

    _known(faults or [])
    on = switch(_folder(dir), [], faults or "all")
    if wait:
        wait_gone(running(_folder(dir)), note)
    return Result({"on": on}, f"Still on: {', '.join(on)}" if on else "Nothing is broken any more.", output)


@app.command()
def distract(
    what: Annotated[str, typer.Argument(metavar="traffic|alert", help="What to distract with.")],
    dir: Dir = None,
    output: Output = Format.text,
) -> Result:
    """Switch on something loud but innocent; `opsctl lab heal` ends it."""
    from opsctl.lab.control import switch
    from opsctl.lab.faults import DISTRACTORS
    from opsctl.nearest import unknown_name

    if what not in DISTRACTORS:
        raise unknown_name("distraction", what, DISTRACTORS)
    on = switch(_folder(dir), [f"distract-{what}"])
    return Result({"on": on}, DISTRACTORS[what], output)


@app.command()
def faults(
    service: Annotated[
        list[str] | None, typer.Option("--service", "-s", metavar="NAME", help="Only faults of this service.")
    ] = None,
    runbook: Annotated[
        list[str] | None, typer.Option("--runbook", "-r", metavar="NAME", help="Only those that this runbook finds.")
    ] = None,
    dir: Dir = None,
    output: Output = Format.text,
) -> Result:
    """List the faults: what each does, and the commands that should find it."""
    from opsctl.lab.faults import DISTRACTORS, FAULTS
    from opsctl.nearest import unknown_name

    for names, known, what in (
        (service, {f.service for f in FAULTS}, "service of the lab"),
        (runbook, {name for f in FAULTS for name, _ in f.found_by}, "runbook with faults in the lab"),
    ):
        for name in names or ():
            if name not in known:
                raise unknown_name(what, name, sorted(known))
    found = [
        f
        for f in FAULTS
        if (not service or f.service in service) and (not runbook or {name for name, _ in f.found_by} & set(runbook))
    ]
    lacking = _lacking(dir, found)
    rows = [
        f._asdict() | {"found_by": [list(one) for one in f.found_by], "commands": f.commands, "absent": lacking[f.id]}
        for f in found
    ]
    return Result({"faults": rows, "distractors": DISTRACTORS}, _listed(found, lacking, DISTRACTORS), output)


def _lacking(dir: str | None, found: list[Fault]) -> dict[str, list[str]]:
    """What the lab that runs lacks for each fault; nothing is known when none runs."""
    from opsctl.config.places import state_dir

    folder = Path(dir).expanduser().absolute() if dir else state_dir() / "lab"
    if not (folder / "lab.json").exists():
        return {f.id: [] for f in found}
    from opsctl.lab.state import absent, read

    lab = read(folder)
    return {f.id: absent(lab.parts, (*f.needs, f.service)) if lab is not None else [] for f in found}


def _listed(found: list[Fault], lacking: dict[str, list[str]], distractors: dict[str, str]) -> str:
    lines = []
    for name in dict.fromkeys(f.service for f in found):
        lines += [name]
        for f in (f for f in found if f.service == name):
            lines += ["", f"  {f.id}", f"    {f.says}"]
            lines += [f"    absent here: {part}" for part in lacking[f.id]]
            lines += [f"    {command}  ->  {cause}" for command, (_, cause) in zip(f.commands, f.found_by, strict=True)]
        lines += [""]
    lines += ["distractions", "", *(f"  opsctl lab distract {name:<8} {says}" for name, says in distractors.items())]
    return "\n".join(lines)


@app.command()
def stop(
    server: Annotated[str, typer.Argument(metavar="PART", help="A part of the lab: see `opsctl lab status`.")],
    dir: Dir = None,
    output: Output = Format.text,
) -> Result:
    """Stop one part of the lab, to see how a diagnosis goes without it."""
    from opsctl.lab.control import server as command

    command(_folder(dir), "stop", server)
    return Result({"stopped": server}, f"{server} is stopped; start it with: opsctl lab start {server}", output)


@app.command()
def start(
    server: Annotated[str, typer.Argument(metavar="PART", help="The part that was stopped.")],
    dir: Dir = None,
    output: Output = Format.text,
) -> Result:
    """Start a stopped part of the lab again."""
    from opsctl.lab.control import server as command

    command(_folder(dir), "start", server)
    return Result({"started": server}, f"{server} runs again.", output)


@app.command()
def restart(
    server: Annotated[str, typer.Argument(metavar="PART", help="A part of the lab: see `opsctl lab status`.")],
    dir: Dir = None,
    output: Output = Format.text,
) -> Result:
    """Restart one part of the lab, as its supervisor would; faults that lay in its process alone are over."""
    from opsctl.lab.control import server as command

    command(_folder(dir), "restart", server)
    return Result({"restarted": server}, f"{server} was restarted.", output)


def _parts(lab: Lab) -> list[Any]:
    import msgspec

    return [msgspec.to_builtins(part) for part in lab.parts]


def _table(parts: list[dict[str, Any]], on: list[str]) -> str:
    rows = [
        (
            part["name"],
            part["kind"],
            part.get("state", "starting"),
            str(part["process"]["pid"]) if part.get("process") and part.get("state") == "up" else "-",
            part.get("version", "") or "-",
            " ".join(x for x in (part.get("address", ""), part.get("says", "")) if x),
        )
        for part in parts
    ]
    head = ("part", "kind", "state", "pid", "version", "where")
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(5)]
    lines = ["  ".join([*(row[i].ljust(widths[i]) for i in range(5)), row[5]]).rstrip() for row in [head, *rows]]
    lines += ["", f"Switched on: {', '.join(on) if on else 'nothing'}"]
    return "\n".join(lines)

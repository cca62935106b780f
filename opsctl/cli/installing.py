"""``opsctl healthcheck install``: from this command line to the one that cron, systemd or Kubernetes is to run."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from opsctl.cli.options import Root, root_of
from opsctl.cli.result import Result
from opsctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

_FILES = ("--targets", "--textfile")
_CHOOSES = ("-s", "--service", "--all", "--url", "--targets")
_CALM = ("-q", "--quiet", "--on-change", "plugin", "json")
_CARRIED = ("OPSCTL_RUNBOOKS", "XDG_CONFIG_HOME", "XDG_STATE_HOME")
JITTER = 30.0  # seconds: not every host at the full hour


def printed(ctx: typer.Context, ways: Sequence[str], *, every: str, image: str, namespace: str) -> Result:
    """The text for the one way that was chosen. Raises UsageError."""
    from opsctl.durations import format_duration, parse_duration
    from opsctl.healthcheck import install

    if len(ways) != 1:
        raise UsageError("nothing says where it is to run", remedy="Say one of --cron, --systemd, --kubernetes.")
    way, root, flags = ways[0], root_of(ctx), _absolute(ctx.args)
    given = _parsed(ctx, flags)
    interval, total = parse_duration(every), parse_duration(str(given.get("timeout") or "20s"))
    wait = parse_duration(str(given.get("jitter") or "0s"))
    jitter = wait or min(JITTER, interval / 4)
    if interval < 60 or interval != int(interval):
        raise UsageError(f"--every {every}: once a minute is the most", remedy="Say --every 1m or longer.")
    if total + jitter >= interval:
        says = f"--timeout and --jitter together ({format_duration(total + jitter)}) do not fit into --every {every}"
        raise UsageError(says, remedy="Shorten them.")
    if way == "kubernetes" and not image:
        raise UsageError("a CronJob needs an image that has opsctl in it", remedy="Name it with --image.")
    kept = _without_jitter(flags)
    if not any(word.partition("=")[0] in _CHOOSES for word in kept):
        kept = ["--all", *kept]
    if way == "cron":
        kept += [] if any(word in _CALM for word in kept) else ["--quiet"]
        kept += [] if any(word.startswith("--lock") for word in kept) else ["--lock"]
    elif way == "systemd":
        kept += [] if any(word in _CALM for word in kept) else ["--quiet"]
    if not any(word.partition("=")[0] == "--timeout" for word in kept):
        kept += ["--timeout", format_duration(total)]
    environ = {name: os.environ[name] for name in _CARRIED if os.environ.get(name, "").startswith("/")}
    timed = install.Timed(
        command=(*_program(), *_roots(root, way)),
        flags=tuple(kept),
        every=int(interval),
        timeout=total,
        jitter=jitter,
        environ={} if way == "kubernetes" else environ,
    )
    if way == "cron":
        text = install.cron(timed)
    elif way == "systemd":
        text = install.systemd(timed)
    else:
        text = install.kubernetes(timed, image=image, namespace=namespace)
    return Result({"way": way, "text": text}, text, notes=_left_behind(way))


def _parsed(ctx: typer.Context, flags: list[str]) -> dict[str, Any]:
    """The check's options as the check itself reads them; a mistake is told now, not at night."""
    group = ctx.parent.command if ctx.parent is not None else None
    assert group is not None
    parsed = group.make_context("healthcheck", list(flags), parent=ctx.find_root())
    rest = [*getattr(parsed, "_protected_args", ()), *parsed.args]
    if rest:
        raise UsageError(f"{rest[0]} is not an option of healthcheck", remedy="See `opsctl healthcheck --help`.")
    return dict(parsed.params)


def _absolute(words: Sequence[str]) -> list[str]:
    """Files named from here are named in full: the check runs in another folder."""
    found: list[str] = []
    for number, word in enumerate(words):
        before = words[number - 1] if number else ""
        name, equals, value = word.partition("=")
        if before in _FILES and word != "-":
            found.append(str(Path(word).absolute()))
        elif name in _FILES and equals:
            found.append(f"{name}={Path(value).absolute()}")
        else:
            found.append(word)
    return found


def _without_jitter(flags: Sequence[str]) -> list[str]:
    """cron gets it last, systemd as a setting of its own."""
    found: list[str] = []
    skip = False
    for word in flags:
        if skip:
            skip = False
        elif word == "--jitter":
            skip = True
        elif not word.startswith("--jitter="):
            found.append(word)
    return found


def _program() -> tuple[str, ...]:
    """How opsctl was started, in full: cron's PATH is short."""
    import shutil

    named = sys.argv[0]
    if Path(named).name == "opsctl":
        found = named if "/" in named else shutil.which(named)
        if found:
            return (str(Path(found).absolute()),)
    return (sys.executable, "-m", "opsctl")


def _roots(root: Root, way: str) -> list[str]:
    """The root options, so that the same files are used whatever the folder and the user's environment are."""
    from opsctl.config.contexts import choose, load_config
    from opsctl.config.places import config_dirs

    found: list[str] = []
    config = load_config(root.config, os.environ)
    if way != "kubernetes":
        path = config.source.path.absolute() if config.source is not None else None
        if path is not None and (root.config is not None or path.parent not in config_dirs()):
            found += ["--config", str(path)]
        books = Path(root.runbooks or "runbooks")
        if books.is_dir() and (root.runbooks is not None or not os.environ.get("OPSCTL_RUNBOOKS")):
            found += ["--runbooks", str(books.absolute())]
    if root.context is not None or os.environ.get("OPSCTL_CONTEXT"):
        found += ["--context", choose(config, root.context, os.environ).name]
    return found


def _left_behind(way: str) -> tuple[str, ...]:
    """Addresses that only this shell knows."""
    from opsctl.config.environment import LIBPQ, URLS

    names = [name for name in (*URLS.values(), *LIBPQ, "PGPASSWORD", "OPSCTL_PING_URL") if os.environ.get(name)]
    where = {"cron": "cron", "systemd": "systemd", "kubernetes": "the pod"}[way]
    return (f"Set here, but not known to {where}: {', '.join(names)}; write them into opsctl.yaml.",) if names else ()

"""service.set-env: values of a unit's env file, changed in one step, with a copy of what was (requirements B-16, C-19).

A restart is not part of it: it is the next command, with its own plan. No secret gets into a plan or the ledger: secret
values are named by the file that holds them and read when they are written.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from opsctl.actions import envfile, filewrite
from opsctl.actions.model import Check, Did, Effect, Limit, Pace, Params, Plan, Proposal, Scalar, Step, Target
from opsctl.actions.model import Verified as Saw
from opsctl.actions.registry import Action, register
from opsctl.actions.service_restart import env_path
from opsctl.actions.service_units import adapter_of
from opsctl.errors import CouldNotLook

if TYPE_CHECKING:
    from opsctl.actions.hands import Hands

_VALUE = 65536  # bytes of a value's own file


class EnvParams(Params, frozen=True, kw_only=True):
    """``set``: KEY=VALUE, nothing secret. ``set_from``: KEY=file:PATH. ``env_file``: instead of the adapter's."""

    adapter: str = "app"
    set: tuple[str, ...] = ()
    set_from: tuple[str, ...] = ()
    env_file: str = ""

    def __post_init__(self) -> None:
        keys = [text.partition("=")[0] for text in (*self.set, *self.set_from)]
        for text in self.set:
            key, sign, value = text.partition("=")
            if not sign or not envfile.NAME.fullmatch(key):
                raise ValueError("set: write KEY=VALUE")
            if envfile.is_secret(key, value):
                raise ValueError(f"set: {key} looks like a secret; give it by a file: --set-from {key}=file:PATH")
            if any(sign in value for sign in "\r\n\0"):
                raise ValueError(f"set: {key} must be one line")
        for text in self.set_from:
            key, sign, source = text.partition("=")
            if not sign or not envfile.NAME.fullmatch(key) or not source.startswith("file:") or not source[5:]:
                raise ValueError("set_from: write KEY=file:PATH")
        if len({*keys}) != len(keys):
            raise ValueError("a key is given twice")


class Wanted(NamedTuple):
    """One value. ``value``: shown only where ``source`` is "". ``identity``: of the file that holds it."""

    key: str
    value: str
    source: str = ""
    identity: str = ""
    now: str | None = None  # for people
    lines: int = 0  # how often the key is there
    same: bool = False


class Seen(NamedTuple):
    """What was observed. Holds no value of another key."""

    service: str
    adapter: str
    unit: str
    place: filewrite.Place
    hindrance: str
    wanted: tuple[Wanted, ...]
    after: str  # digest of the file as it will be
    wrong: str  # why it cannot be written so


def observe(hands: Hands, params: EnvParams) -> Seen:
    """The file, and the values' own files. Raises CouldNotLook."""
    adapter = adapter_of(hands.profile, params.adapter)
    path = str(Path(params.env_file).absolute()) if params.env_file else env_path(adapter)
    if not path:
        says = f"the adapter {params.adapter} names no env file: set env_file of it in the context, or give --env-file"
        raise CouldNotLook("not-configured", says, setting="adapters")
    data = envfile.read(path)
    where = filewrite.place(path, data)
    text = envfile.text_of(data)
    wanted = tuple(_wanted(text, one) for one in (*_given(params), *_sources(params)))
    after, wrong = "", ""
    try:
        new = envfile.edited(text, {one.key: one.value for one in wanted})
        after = filewrite.digest(new.encode("latin-1"))
    except ValueError as error:
        wrong = str(error)
    shown = tuple(one._replace(value="") if one.source else one for one in wanted)
    unit = adapter.unit or params.adapter
    return Seen(hands.profile.service, params.adapter, unit, where, filewrite.hindrance(where), shown, after, wrong)


def _given(params: EnvParams) -> tuple[Wanted, ...]:
    pairs = (text.partition("=") for text in params.set)
    return tuple(Wanted(key, value.encode().decode("latin-1")) for key, _, value in pairs)


def _sources(params: EnvParams) -> tuple[Wanted, ...]:
    found: list[Wanted] = []
    for text in params.set_from:
        key, _, source = text.partition("=")
        path = str(Path(source.removeprefix("file:")).expanduser().absolute())
        value, identity = secret(path)
        found.append(Wanted(key, value, path, identity))
    return tuple(found)


def secret(path: str) -> tuple[str, str]:
    """The value in a file (its last line's end taken away) and what identifies the file: no digest of the value, which
    could be guessed from one. Raises CouldNotLook."""
    try:
        info = os.stat(path)  # noqa: PTH116 - one call for all of it
    except OSError as error:
        raise CouldNotLook("not-found", f"{path} cannot be read: {error.strerror}", address=path) from None
    data = envfile.read(path)
    value = envfile.text_of(data).rstrip("\r\n")
    if not value or len(data) > _VALUE or any(sign in value for sign in "\r\n\0"):
        raise CouldNotLook("bad-answer", f"{path} does not hold one line with a value", address=path)
    return value, f"{info.st_dev}:{info.st_ino}:{info.st_size}:{info.st_mtime_ns}"


def _wanted(text: str, one: Wanted) -> Wanted:
    old = envfile.value_of(text, one.key)
    lines = sum(entry.key == one.key for entry in envfile.parse(text))
    return one._replace(
        now=envfile.displayed(one.key, old, secret=bool(one.source)), lines=lines, same=old == one.value
    )


def propose(seen: Seen, params: EnvParams) -> Proposal:
    """One step: the file. Nothing to do where every value is there already."""
    changing = [one for one in seen.wanted if not one.same]
    path = seen.place.path
    sources = {one.source: one.identity for one in changing if one.source}
    pin: dict[str, Scalar] = {"path": path, "sha256": seen.place.digest, **{f"file {k}": v for k, v in sources.items()}}
    step = Step(
        target=Target(id=f"file {path}", pin=pin, says=f"mode {seen.place.mode:04o}, owner {seen.place.uid}"),
        why="named by the command",
        calls=tuple(_call(one, path) for one in changing),
        before={
            "path": path,
            "sha256": seen.place.digest,
            "after": seen.after,
            "set": {one.key: _text(one.value) for one in changing if not one.source},
            "set_from": {one.key: one.source for one in changing if one.source},
        },
        shows=tuple(line for one in changing for line in _diff(one)),
    )
    checks = [Check(id="writable", says=seen.hindrance or f"{path} can be replaced", ok=not seen.hindrance)]
    if seen.wrong:
        checks.append(Check(id="readable", says=seen.wrong, ok=False))
    notes = [f"{one.key} is there {one.lines} times; the last one counts" for one in seen.wanted if one.lines > 1]
    notes += [f"{one.key} is {one.now} already" for one in seen.wanted if one.same]
    return Proposal(
        subject=f"{seen.service} {seen.unit}: {path}",
        scope=f"service {seen.service}/{seen.unit}",
        steps=(step,) if changing else (),
        of=1,
        unit="files",
        impact=f"none until {seen.unit} is restarted: opsctl restart {seen.service} --unit {seen.adapter}",
        undo="the bytes that were there are put back from the copy beside it",
        checks=tuple(checks),
        notes=tuple(notes),
    )


def _call(one: Wanted, path: str) -> str:
    value = f"$(cat {one.source})" if one.source else envfile.quoted(_text(one.value), "")
    return f"set {one.key}={value} in {path}"


def _diff(one: Wanted) -> tuple[str, str]:
    new = f"the value in {one.source}" if one.source else envfile.displayed(one.key, one.value)
    return (f"- {one.key}={one.now}", f"+ {one.key}={new}")


def _text(value: str) -> str:
    return value.encode("latin-1").decode("utf-8", "replace")


def apply(hands: Hands, step: Step) -> Did:
    """Copy, write, read back. Raises CouldNotLook only before anything is written."""
    path, before = str(step.before["path"]), str(step.before["sha256"])
    data = envfile.read(path)
    if filewrite.digest(data) != before:
        return Did(state="skipped", says=f"{path} was changed since the plan was made")
    where = filewrite.place(path, data)
    if why := filewrite.hindrance(where):
        return Did(state="failed", says=why)
    changes = {str(key): str(value).encode().decode("latin-1") for key, value in dict(step.before["set"]).items()}
    for key, source in dict(step.before["set_from"]).items():
        value, identity = secret(str(source))
        if step.target.pin.get(f"file {source}") != identity:
            return Did(state="skipped", says=f"{source} was changed since the plan was made")
        changes[str(key)] = value
    new = envfile.edited(envfile.text_of(data), changes).encode("latin-1")
    try:
        copy = filewrite.keep(where.path, data, hands.moment)
        if filewrite.digest(envfile.read(path)) != before:
            return Did(state="skipped", says=f"{path} was changed just now; nothing was written (copy: {copy})")
        filewrite.replace(where, new)
    except OSError as error:
        return Did(state="failed", says=f"{path} cannot be written: {error.strerror or error}; it is as it was")
    inverse = {"path": path, "copy": copy, "before": before, "after": filewrite.digest(new)}
    back = envfile.text_of(envfile.read(path))
    wrong = [key for key, value in changes.items() if envfile.value_of(back, key) != value]
    if wrong:
        says = f"{path} was written, and does not read back as it was ({', '.join(wrong)})"
        return Did(state="failed", says=f"{says}; what was is in {copy}", inverse=inverse)
    says = f"{', '.join(changes)} set in {path}; what was is in {copy}"
    return Did(state="acted", says=says, inverse=inverse, after={"sha256": inverse["after"]})


def settled(hands: Hands, step: Step) -> Effect:
    """By the file's bytes: those of before, those planned, or others."""
    try:
        now = filewrite.digest(envfile.read(str(step.before["path"])))
    except CouldNotLook:
        return "unknown"
    if now == step.before["sha256"]:
        return "not-acted"
    return "acted" if now == step.before["after"] else "unknown"


def undo(hands: Hands, step: Step, inverse: Mapping[str, Any]) -> Did:
    """The bytes that were there, unless somebody edited the file since."""
    path, copy = str(inverse["path"]), str(inverse["copy"])
    now = envfile.read(path)
    if filewrite.digest(now) == inverse["before"]:
        return Did(state="unchanged", says=f"{path} is as it was before")
    if filewrite.digest(now) != inverse["after"]:
        says = f"{path} was edited since; what was before is in {copy}: compare and put it back by hand"
        return Did(state="skipped", says=says)
    old = envfile.read(copy)
    if filewrite.digest(old) != inverse["before"]:
        return Did(state="failed", says=f"{copy} is not what was kept there; nothing was written")
    try:
        filewrite.replace(filewrite.place(path, now), old)
    except OSError as error:
        return Did(state="failed", says=f"{path} cannot be written: {error.strerror or error}; it is as it was")
    return Did(state="acted", says=f"{path} is as it was before; the copy {copy} was left there")


def verify(hands: Hands, plan: Plan, done: tuple[int, ...]) -> Saw:
    """The file holds what was planned; whether the process has it shows after its restart."""
    for step in plan.proposal.steps:
        path = str(step.before["path"])
        try:
            now = filewrite.digest(envfile.read(path))
        except CouldNotLook as failed:
            return Saw(ok=None, says=failed.says)
        if now != step.before["after"]:
            return Saw(ok=False, says=f"{path} does not hold what was planned: somebody else wrote it")
        next_ = plan.proposal.impact.partition(": ")[2]
        return Saw(ok=True, says=f"{path} holds the new values; they count after a restart: {next_}")
    return Saw(ok=None, says="nothing was written")


SET_ENV = register(
    Action(
        id="service.set-env",
        title="Change values in a unit's env file, with a copy of what was",
        params=EnvParams,
        observe=observe,
        propose=propose,
        apply=apply,
        settled=settled,
        undo=undo,
        verify=verify,
        help={
            "adapter": "The adapter of the service profile whose env file is meant.",
            "set": "KEY=VALUE to write; nothing secret.",
            "set_from": "KEY=file:PATH: the value is read from that file, and shown nowhere.",
            "env_file": "Another file than the adapter's.",
        },
        weight=2,
        asks="read the file, write a new one beside it, rename it over the old one",
        privilege="the file's owner, and write permission on its folder",
        limit=Limit(targets=1, share=1.0),
        pace=Pace(batch=1, pause=0.0),
        cooldown=0.0,
        prepares=True,
    )
)

"""Read a saved report: by path, by its name in the state folder, or the last one; and say what is odd about it."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from opsctl.config.places import shown
from opsctl.errors import BadData, UsageError
from opsctl.model import SCHEMA, Report
from opsctl.nearest import nearest, quoted
from opsctl.redact import printable
from opsctl.report.store import names
from opsctl.runbooks.seal import seal_of

LAST = "last"
LIMIT = 32 * 2**20  # bytes; a report of fifty probes has some 100 kB
_FAMILY = "opsctl.report/"
_DECADE = 10 * 366 * 86400.0  # seconds


class Kept(NamedTuple):
    """A report that was read, its file, and sentences about what is odd with it. ``whole``: nothing is missing."""

    report: Report
    path: Path
    notes: tuple[str, ...] = ()
    whole: bool = True


def read_report(where: str, folder: Path) -> Kept:
    """The report at a path, of that name among those in ``folder``, or the ``last`` of them.

    Raises UsageError (64) for an unknown name, BadData (65) for a file that is no report or of which too little can
    be read. A report that is torn, edited or of another schema is given as far as it can be read, with notes.
    """
    path = find_report(where, folder)
    return decode(read_file(path), path)


def find_report(where: str, folder: Path) -> Path:
    """The file that is meant; it may not be there. Raises UsageError (64) for an unknown name."""
    if where == LAST:
        known = names(folder)
        if not known:
            raise BadData(
                "no report is saved yet", place=shown(folder), remedy="`opsctl diagnose` saves one each time."
            )
        return folder / f"{known[0]}.json"
    kept = folder / f"{where}.json"
    if "/" not in where and "\0" not in where and kept.exists():
        return kept
    if "/" in where or where.endswith(".json") or Path(where.replace("\0", "?")).exists():
        inside = folder / where
        return inside if "/" not in where and not Path(where).exists() and inside.exists() else Path(where)
    close = nearest(where, [LAST, *names(folder)])
    remedy = f"Did you mean {close}?" if close else "See `opsctl report list`."
    raise UsageError(f"there is no report {quoted(where)}", remedy=remedy)


def decode(data: bytes, path: Path) -> Kept:
    """A report from a file's content. Raises BadData."""
    place = shown(path)
    if not data.strip():
        raise BadData("the file is empty", place=place, remedy="Give a report that `opsctl diagnose` saved.")
    try:
        raw = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return _torn(data, path, error)
    if not isinstance(raw, dict) or not str(raw.get("schema", "")).startswith(_FAMILY):
        raise _no_report(place)
    notes, edited = [], False
    version = _version(raw["schema"])
    seal = raw.get("seal")
    if version == _version(SCHEMA) and not seal:
        notes.append(f"{place}: the report carries no seal; whether it was edited cannot be told")
    if isinstance(seal, str) and seal.startswith("sha256:") and seal != seal_of(raw):
        edited = True
        notes.append(f"{place}: edited after it was written: its seal does not fit what it holds")
    raw = _printable(raw)
    if version < _version(SCHEMA):
        notes.append(
            f"{place}: of the older schema {raw['schema']}: it keeps no readings of signals, so a replay takes what "
            "was judged then"
        )
    try:
        report = msgspec.convert(raw, Report)
        if notes:  # opsctl writes every time with its zone; others may not
            report = _aware(report, place)
        if version > _version(SCHEMA):
            notes.append(f"{place}: {_newer(raw)}; all that it knows is shown")
        return Kept(report, path, tuple(notes))
    except (msgspec.ValidationError, RecursionError) as error:
        return _partly(raw, path, notes, str(error), newer=version > _version(SCHEMA), edited=edited)


def _partly(raw: dict[str, Any], path: Path, notes: list[str], why: str, *, newer: bool, edited: bool) -> Kept:
    """What this version can read of a report that is not as it knows them."""
    from opsctl.report.salvage import readable

    place = shown(path)
    found = readable(raw)
    if newer:
        says = _newer(raw)
        remedy = "A newer opsctl shows all of it."
    elif edited:
        says, remedy = f"edited so that it is no longer a report of {SCHEMA} ({why})", ""
    else:
        says, remedy = f"not a report as {SCHEMA} describes it ({why})", ""
    if found.report is None:
        raise BadData(says, place=place, remedy=remedy or "Save it anew with `opsctl diagnose`.")
    text = f"{place}: {says}; not shown: {_listed(found.lost)}"
    return Kept(_aware(found.report, place), path, (*notes, f"{text}. {remedy}" if remedy else text), whole=False)


def _torn(data: bytes, path: Path, error: Exception) -> Kept:
    """A file that is not whole JSON: what stands before the break can still be shown."""
    from opsctl.report.salvage import head, readable

    place = shown(path)
    text = data.decode("utf-8", "replace")
    torn = head(text)
    if not str(torn.fields.get("schema", "")).startswith(_FAMILY):
        raise _no_report(place, text)
    line = _line(data, error) or torn.line
    inside = f" inside {quoted(torn.field)}" if torn.field else ""
    says = f"the report is torn{inside}"
    found = readable(_printable(torn.fields))
    if found.report is None:
        told = printable(str(torn.fields.get("says", "")))[:300]
        begins = ", ".join(str(torn.fields[key])[:40] for key in ("runbook", "service") if key in torn.fields)
        rest = f"; it says: {told}" if told else f"; all that can be read is {printable(begins)}" if begins else ""
        raise BadData(f"{says}{rest}", place=f"{place}:{line}", remedy="Save it anew with `opsctl diagnose`.")
    missing = [n for n in Report.__struct_fields__ if n not in torn.fields]
    gone = f"; lost are {_listed(missing)}" if missing else ""
    return Kept(_aware(found.report, place), path, (f"{place}:{line}: {says}{gone}",), whole=False)


def read_file(path: Path) -> bytes:
    """The bytes of a report's file. Raises BadData for what is no readable regular file of a report's size."""
    place = shown(path)
    try:
        info = os.stat(path)  # noqa: PTH116 - before opening: a named pipe would wait for somebody to write to it
        if stat.S_ISDIR(info.st_mode):
            raise BadData("this is a folder, not a report", place=place, remedy="Name a report in it.")
        if not stat.S_ISREG(info.st_mode):
            raise BadData("this is a pipe or device, not a report", place=place, remedy="Give a file.")
        if info.st_size > LIMIT:
            size = f"{info.st_size / 2**20:,.0f} MiB"
            raise BadData(f"the file has {size}; a report has at most {LIMIT // 2**20} MiB", place=place)
        with path.open("rb") as file:
            return file.read(LIMIT + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise BadData("there is no such report", place=place, remedy="See `opsctl report list`.") from None
    except PermissionError:
        raise BadData("the report may not be read", place=place, remedy="Check its owner and mode.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise BadData(f"the report cannot be read: {reason}", place=place) from None


def _newer(raw: dict[str, Any]) -> str:
    return f"of the newer schema {quoted(str(raw['schema']))[1:-1]}; this opsctl knows {SCHEMA}"


def _no_report(place: str, text: str = "") -> BadData:
    beginning = text.lstrip()[:20].lower()
    if beginning.startswith(("<!doctype", "<html")):
        says = "this is a web page, not a saved report"
    elif beginning.startswith("# "):
        says = "this is Markdown, not a saved report"
    else:
        says = "this is not JSON" if text else "this is JSON, but not a report of opsctl"
    return BadData(says, place=place, remedy="Give a report that `opsctl diagnose` saved, or its `-o json`.")


def _line(data: bytes, error: Exception) -> int | None:
    """The line of a mistake in JSON, from the byte that the message names."""
    _, _, rest = str(error).rpartition("(byte ")
    number = rest.rstrip(")")
    return data.count(b"\n", 0, int(number)) + 1 if number.isdigit() else None


def _version(schema: str) -> int:
    number = str(schema).removeprefix(_FAMILY)
    return int(number) if number.isdigit() and len(number) < 6 else 99_999


def _listed(items: list[str] | tuple[str, ...], most: int = 6) -> str:
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(printable(item) for item in items[:most]) + more


def _aware(report: Report, place: str) -> Report:
    """Times without a zone are UTC: they could not be compared with the others. Raises BadData for absurd ones."""
    plain = _zoned(msgspec.to_builtins(report, builtin_types=(datetime,)), place)
    if not 0 <= report.looks_back <= _DECADE:
        raise BadData(f"looks_back {report.looks_back:g} s is no time to look back", place=place)
    return msgspec.convert(plain, Report)


def _zoned(value: Any, place: str) -> Any:
    if isinstance(value, datetime):
        if not 1970 < value.year < 9000:
            raise BadData(f"a time in the year {value.year} is none of a report", place=place)
        return value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    if isinstance(value, list | tuple):
        return [_zoned(one, place) for one in value]
    if isinstance(value, dict):
        return {key: _zoned(one, place) for key, one in value.items()}
    return value


def _printable(value: Any) -> Any:
    """Data without terminal escapes: a report may come from anybody."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list):
        return value if value and isinstance(value[0], float | int) else [_printable(one) for one in value]
    if isinstance(value, dict):
        return {printable(key): _printable(one) for key, one in value.items()}
    return value

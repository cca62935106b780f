"""What can still be read of a report that is torn, or that another version of opsctl wrote: field by field."""

from __future__ import annotations

from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

import msgspec

from opsctl.model import Report


class Torn(NamedTuple):
    """The whole fields at the beginning of a torn file, and where it breaks off (``field``: inside which)."""

    fields: dict[str, Any]
    field: str
    line: int


class Partial(NamedTuple):
    """A report without what cannot be read, and what that is, in words; None: too little is left."""

    report: Report | None
    lost: tuple[str, ...]


def head(text: str) -> Torn:
    """The top-level fields of a JSON object that are whole, from its beginning on."""
    import json

    decoder = json.JSONDecoder()
    fields: dict[str, Any] = {}
    place, name = _skip(text, 0), ""
    if not text.startswith("{", place):
        return Torn(fields, name, 1)
    place += 1
    try:
        while True:
            place = _skip(text, place)
            if text.startswith("}", place):
                break
            key, end = decoder.raw_decode(text, place)
            name = str(key)
            end = _skip(text, end)
            if not text.startswith(":", end):
                break
            start = _skip(text, end + 1)
            value, end = decoder.raw_decode(text, start)
            end = _skip(text, end)
            if end >= len(text):  # a number may have been cut in the middle
                break
            fields[name] = value
            name, place = "", end
            if text.startswith(",", place):
                place += 1
    except (ValueError, RecursionError):
        pass
    return Torn(fields, name, text.count("\n") + 1)


def readable(raw: dict[str, Any]) -> Partial:
    """Each field of a report by its type; lists entry by entry. Unknown fields are left out and named."""
    types = get_type_hints(Report)
    values: dict[str, Any] = {}
    lost: list[str] = []
    for name, value in raw.items():
        if name not in types:
            lost.append(f"the field {name[:40]}")
            continue
        try:
            values[name] = msgspec.convert(value, types[name])
            continue
        except (msgspec.ValidationError, RecursionError):
            pass
        entry = _entry(types[name])
        if entry is None or not isinstance(value, list):
            lost.append(f"the field {name}")
            continue
        kept = [found for one in value if (found := _one(one, entry)) is not None]
        lost.append(f"{len(value) - len(kept)} of {len(value)} entries of {name}")
        values[name] = tuple(kept)
    try:
        return Partial(Report(**values), tuple(lost))
    except TypeError:  # a field that every report has is not there
        return Partial(None, tuple(lost))


def _one(value: Any, type: Any) -> Any:
    try:
        return msgspec.convert(value, type)
    except (msgspec.ValidationError, RecursionError):
        return None


def _entry(type: Any) -> Any:
    """The type of a ``tuple[X, ...]``'s entries."""
    return get_args(type)[0] if get_origin(type) is tuple else None


def _skip(text: str, place: int) -> int:
    while place < len(text) and text[place] in " \t\r\n":
        place += 1
    return place

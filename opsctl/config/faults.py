"""What is wrong with plain data that should be of a type: every fault with its path, in plain words.

msgspec tells only the first fault and leaves out mapping keys in its path, so this walks the type itself. It runs only
after msgspec refused the data. No value is ever shown: it may be a secret. Only names from a closed list are.
"""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, Union

import msgspec

from opsctl.nearest import nearest, quoted

Path = tuple[str | int, ...]


class Fault(NamedTuple):
    """One mistake. ``path``: where in the data; ``says`` what is wrong; ``remedy`` what to write instead."""

    path: Path
    says: str
    remedy: str = ""


def dotted(path: Path) -> str:
    """A path as people write it: ``contexts.prod.services.vritti`` or ``diagnosis[2].probe``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            plain = part if part.replace("_", "").replace("-", "").isalnum() else quoted(part)
            text += f".{plain}" if text else plain
    return text


def faults(value: Any, kind: Any, path: Path = ()) -> Iterator[Fault]:
    """Every fault of ``value`` against the type ``kind``; none when msgspec accepts it."""
    origin = typing.get_origin(kind)
    if kind is Any or kind is object:
        return
    if origin is typing.Annotated:
        inner = list(faults(value, typing.get_args(kind)[0], path))
        yield from inner or _leaf(value, kind, path)
    elif origin in (Union, types.UnionType):
        yield from _union(value, typing.get_args(kind), path)
    elif origin is Literal:
        allowed = typing.get_args(kind)
        if value not in allowed or isinstance(value, bool) != any(isinstance(a, bool) for a in allowed):
            yield _not_listed(value, [str(a) for a in allowed], path)
    elif isinstance(kind, type) and issubclass(kind, enum.Enum):
        if value not in [member.value for member in kind]:
            yield _not_listed(value, [str(member.value) for member in kind], path)
    elif isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield from _struct(value, kind, path)
    elif (origin or kind) is dict:
        if not isinstance(value, dict):
            yield _mismatch(value, "a mapping (key: value)", path)
            return
        args = typing.get_args(kind) or (str, Any)
        for key, inner in value.items():
            if list(_leaf(key, args[0], path)):
                yield Fault((*path, key), "this cannot be a name", "Use letters, digits, - _ . and no spaces.")
            yield from faults(inner, args[1], (*path, key))
    elif (origin or kind) in (list, tuple, set, frozenset):
        yield from _sequence(value, typing.get_args(kind), (origin or kind) is tuple, path)
    else:
        yield from _leaf(value, kind, path)


def _struct(value: Any, kind: type[msgspec.Struct], path: Path) -> Iterator[Fault]:
    if not isinstance(value, dict):
        yield _mismatch(value, "a mapping (key: value)", path)
        return
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    found = False
    meant: set[str] = set()  # fields that a misspelt key stands for: not missing as well
    if kind.__struct_config__.forbid_unknown_fields:
        for key in value:
            if key not in fields:
                found = True
                close = nearest(key, [f for f in fields if f not in value])
                meant.add(close or "")
                remedy = f"Did you mean {close}?" if close else f"Known: {', '.join(sorted(fields))}."
                yield Fault((*path, key), "unknown key", remedy)
    for name, field in fields.items():
        if name in value:
            for fault in faults(value[name], field.type, (*path, name)):
                found = True
                yield fault
        elif field.required and name not in meant:
            found = True
            yield Fault(path, f"the key {name} is missing", "")
    if not found:  # what the type itself checks, in __post_init__
        yield from _leaf(value, kind, path)


def _union(value: Any, members: tuple[Any, ...], path: Path) -> Iterator[Fault]:
    if any(not list(faults(value, member, path)) for member in members):
        return
    shaped = [m for m in members if _shape(m) is type(value)] if isinstance(value, (dict, list)) else []
    if len(shaped) == 1:
        yield from faults(value, shaped[0], path)
        return
    listed = [typing.get_args(m) for m in members if typing.get_origin(m) is Literal]
    if listed and isinstance(value, str):
        yield _not_listed(value, [str(a) for a in listed[0]], path)
        return
    yield _mismatch(value, " or ".join(dict.fromkeys(_word(m) for m in members if m is not types.NoneType)), path)


def _sequence(value: Any, args: tuple[Any, ...], fixed: bool, path: Path) -> Iterator[Fault]:
    if not isinstance(value, list):
        yield _mismatch(value, "a list", path)
        return
    if fixed and args and args[-1] is not Ellipsis:
        if len(value) != len(args):
            yield Fault(path, f"should be a list of {len(args)}, has {len(value)}")
            return
        kinds = args
    else:
        kinds = (args[0] if args else Any,) * len(value)
    for index, (inner, kind) in enumerate(zip(value, kinds, strict=True)):
        yield from faults(inner, kind, (*path, index))


def _leaf(value: Any, kind: Any, path: Path) -> Iterator[Fault]:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        cause = error.__cause__
        if kind in _WORDS:
            yield _mismatch(value, _word(kind), path)
        elif isinstance(cause, ValueError | TypeError):
            yield Fault(path, getattr(cause, "says", str(cause)), getattr(cause, "remedy", ""))
        else:
            says = str(error).partition(" - at `")[0][:200].replace("Expected ", "should be ")
            for word, plain in (("`array`", "a list"), ("`str`", "text"), ("`object`", "a mapping"), ("`", "")):
                says = says.replace(word, plain)
            yield Fault(path, says)


_WORDS: dict[Any, str] = {
    str: "text", int: "a whole number", float: "a number", bool: "true or false", types.NoneType: "null", None: "null",
}  # fmt: skip


def _shape(kind: Any) -> type | None:
    if typing.get_origin(kind) is typing.Annotated:
        kind = typing.get_args(kind)[0]
    origin = typing.get_origin(kind) or kind
    if origin in (list, tuple, set, frozenset):
        return list
    if origin is dict or (isinstance(origin, type) and issubclass(origin, msgspec.Struct)):
        return dict
    return None


def _word(kind: Any) -> str:
    shape = _shape(kind)
    if shape is not None:
        return "a list" if shape is list else "a mapping (key: value)"
    return _WORDS.get(kind, "something else")


def _mismatch(value: Any, wanted: str, path: Path) -> Fault:
    if isinstance(value, bool):
        actual = "true or false"
    elif value is None:
        actual = "empty"
    elif isinstance(value, (dict, list)):
        actual = "a mapping" if isinstance(value, dict) else "a list"
    else:
        actual = "text" if isinstance(value, str) else "a number"
    remedy = ""
    if wanted == "true or false" and isinstance(value, str) and value.lower() in ("on", "off", "yes", "no", "y", "n"):
        remedy = f"Write {'true' if value.lower() in ('on', 'yes', 'y') else 'false'}."
    elif "text" in wanted and actual in ("a number", "true or false"):
        remedy = "Put it in quotes."
    return Fault(path, f"should be {wanted}, is {actual}", remedy)


def _not_listed(value: Any, allowed: list[str], path: Path) -> Fault:
    if not isinstance(value, str):
        return _mismatch(value, f"one of {', '.join(allowed)}", path)
    close = nearest(value, allowed)
    remedy = f"Did you mean {close}? Allowed: {', '.join(allowed)}." if close else f"Allowed: {', '.join(allowed)}."
    return Fault(path, f"{quoted(value)} is not allowed", remedy)

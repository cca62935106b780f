"""Matchers as Alertmanager means them: a missing label is the empty string, regular expressions match whole values.

Spelling as amtool's (alert-tooling.md 1), read strictly: what amtool would quietly take for an alert's name because
it is not a matcher (``team=~[``) is refused with its reason.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from opsctl.errors import UsageError

if TYPE_CHECKING:
    from opsctl.clients.alertmanager import Silence

_OPERATOR = re.compile(
    r"^\s*(?P<name>\"(?:\\.|[^\"\\])*\"|[^\s=!~{},\"]+)\s*(?P<op>=~|!~|!=|=)\s*(?P<value>.*?)\s*$", re.S
)
_NAME = re.compile(r"^[a-zA-Z_][a-zA-Z0-9_]*$")
_BARE = re.compile(r"^[^\s=!~{}\"]+$")
_ESCAPES = {"n": "\n", '"': '"', "\\": "\\", "t": "\t"}
_LONGEST = 4096  # characters of one value; a longer one is a paste gone wrong

# What a regular expression is tried on to see whether it is "anything" in disguise.
_STRANGERS = ("x", "Watchdog", "opsctl-no-such-value", "0", "a b", "ü-7.z_")


class Matcher(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One matcher, in the API's own field names. Negative ones have ``is_equal`` False."""

    name: str
    value: str
    is_regex: bool = msgspec.field(name="isRegex", default=False)
    is_equal: bool = msgspec.field(name="isEqual", default=True)

    @property
    def operator(self) -> str:
        """``=``, ``!=``, ``=~`` or ``!~``."""
        return {(True, False): "=", (False, False): "!=", (True, True): "=~", (False, True): "!~"}[
            (self.is_equal, self.is_regex)
        ]

    def text(self) -> str:
        """``name="value"`` with escapes: the spelling that every Alertmanager version parses alike."""
        value = self.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        name = self.name if _NAME.match(self.name) else '"' + self.name.replace("\\", "\\\\").replace('"', '\\"') + '"'
        return f'{name}{self.operator}"{value}"'

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether a label set satisfies it. An absent label counts as the empty string."""
        value = labels.get(self.name, "")
        hit = _expression(self.value).fullmatch(value) is not None if self.is_regex else value == self.value
        return hit is self.is_equal

    @property
    def matches_empty(self) -> bool:
        """Whether alerts without this label are matched, too."""
        return self.matches({})

    @property
    def says_nothing(self) -> bool:
        """Whether it holds for (as good as) every value that the label may have: ``.+``, ``.*``, ``!="never"``."""
        return all(self.matches({self.name: value}) for value in _STRANGERS)


@functools.lru_cache(maxsize=1024)
def _expression(pattern: str) -> Any:
    """Compiled by RE2, the syntax of Alertmanager; ``.`` takes no line end, as there (measured). Raises ValueError."""
    import re2

    options = re2.Options()
    options.log_errors = False
    options.dot_nl = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        told = error.args[0] if error.args else "not an expression"
        raise ValueError(told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)) from None


def matches_all(matchers: Iterable[Matcher], labels: Mapping[str, str]) -> bool:
    """Whether a silence of these matchers mutes an alert of these labels."""
    return all(matcher.matches(labels) for matcher in matchers)


def of_silence(silence: Silence) -> tuple[Matcher, ...]:
    """A stored silence's matchers, in its order."""
    return tuple(
        Matcher(name=m.name, value=m.value, is_regex=m.is_regex, is_equal=m.is_equal) for m in silence.matchers
    )


def canonical(matchers: Iterable[Matcher]) -> tuple[Matcher, ...]:
    """Sorted, each once: two silences of the same canonical matchers mute the same alerts."""
    return tuple(sorted(set(matchers)))


def parse_all(words: Sequence[str]) -> tuple[Matcher, ...]:
    """Matchers from the command line: the first bare word is an alert's name. Raises UsageError naming the word."""
    found: list[Matcher] = []
    for number, word in enumerate(words, 1):
        if not word.strip():
            raise UsageError(f"matcher {number} is empty", remedy="Write it as label=value.")
        if _OPERATOR.match(word) is None and number == 1 and _BARE.match(word):
            found.append(Matcher(name="alertname", value=word))
        else:
            found.extend(parse(one) for one in split(word))
    return tuple(found)


def split(word: str) -> list[str]:
    """``{a="1", b="2"}`` or ``a="1",b="2"`` as its matchers; a comma outside quotes only parts quoted values."""
    text = word.strip()
    braces = text.startswith("{")
    if braces:
        if not text.endswith("}"):
            raise UsageError(f"matcher {word!r} opens a brace and does not close it")
        text = text[1:-1]
    parts = _by_comma(text)
    whole = [part for part in parts if part.strip()]
    if braces or (len(whole) > 1 and all(part.rstrip().endswith('"') for part in whole)):
        return whole
    return [text]  # amtool's way: a=b,c is the value "b,c"


def _by_comma(text: str) -> list[str]:
    parts, quoted, start, skip = [], False, 0, False
    for at, sign in enumerate(text):
        if skip:
            skip = False
        elif sign == "\\":
            skip = True
        elif sign == '"':
            quoted = not quoted
        elif sign == "," and not quoted:
            parts.append(text[start:at])
            start = at + 1
    return [*parts, text[start:]]


def parse(text: str) -> Matcher:
    """One matcher ``name OP value``. Raises UsageError with what is wrong and how to write it."""
    found = _OPERATOR.match(text)
    if found is None:
        raise UsageError(
            f"{text!r} is not a matcher", remedy="Write label=value, label!=value, label=~regex or label!~regex."
        )
    name, operator, value = found["name"], found["op"], found["value"]
    name = _unquote(name, text) if name.startswith('"') else name
    if not text.lstrip().startswith('"') and not _NAME.match(name):
        raise UsageError(f"{name!r} in {text!r} is not a label name", remedy='Quote it if it is one: "name"="value".')
    if not name:
        raise UsageError(f"{text!r} has no label name")
    value = _unquote(value, text) if value.startswith('"') else _plain(value, text)
    if len(value) > _LONGEST:
        raise UsageError(f"the value of {name} is {len(value)} characters long; {_LONGEST} are the limit")
    matcher = Matcher(name=name, value=value, is_regex=operator.endswith("~"), is_equal=operator.startswith("="))
    if matcher.is_regex:
        try:
            _expression(value)
        except ValueError as error:
            raise UsageError(
                f"the regular expression of {text!r} is not one for Alertmanager: {error}",
                remedy="It takes RE2 syntax: no lookahead, no back references.",
            ) from None
    return matcher


def _plain(value: str, text: str) -> str:
    if '"' in value.replace('\\"', ""):
        raise UsageError(f"{text!r} holds a quote in the middle of a value", remedy='Quote the whole value: label="…".')
    return _unescape(value)


def _unquote(value: str, text: str) -> str:
    if len(value) < 2 or not value.endswith('"') or _by_comma(value) != [value] or value[-2:] == '\\"':
        raise UsageError(f"{text!r} opens a quote and does not close it")
    return _unescape(value[1:-1])


def _unescape(value: str) -> str:
    return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[0]), value, flags=re.S)

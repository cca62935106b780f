"""HTML that is escaped by default: a plain string given as content or attribute can never become markup."""

from __future__ import annotations

from opsctl.redact import printable

LONGEST = 2000  # characters of one text from a server; the JSON report has it whole
_VOID = frozenset({"meta", "br"})
_NAMES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})


class Html(str):
    """Markup that was made here."""

    __slots__ = ()


def escaped(text: str) -> Html:
    """A text as content or attribute: no markup, no control characters, nothing that UTF-8 cannot say."""
    plain = printable(text).encode("utf-8", "replace").decode("utf-8")
    return Html(plain.translate(_NAMES))


def tag(name: str, /, *content: str, **attributes: str | float) -> Html:
    """An element. Content that is not Html is escaped, attributes always are; ``class_`` is ``class``, ``_`` is ``-``.

    An attribute that is "" is left out.
    """
    shown = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escaped(_number(value))}"'
        for key, value in attributes.items()
        if value != ""
    )
    if name in _VOID:
        return Html(f"<{name}{shown}>")
    return Html(f"<{name}{shown}>{joined(*content)}</{name}>")


def joined(*content: str) -> Html:
    """Several pieces one after the other; what is not Html is escaped."""
    return Html("".join(piece if isinstance(piece, Html) else escaped(piece) for piece in content))


def shortened(text: str, most: int = LONGEST) -> str:
    """The text, or its beginning and how much was left out."""
    return text if len(text) <= most else f"{text[:most]} … ({len(text) - most:,} characters more in the JSON report)"


def _number(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")

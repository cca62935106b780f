"""Removes secrets from text. Applied when evidence is taken, so that no report ever holds one (VRI-46, B-26)."""

from __future__ import annotations

import functools
import re

_MASK = "[redacted]"

_RULES: tuple[tuple[str, str], ...] = (
    # user:password@ in any URL
    (r"(?P<head>\b[a-zA-Z][a-zA-Z0-9+.-]*://[^\s:/@]*):[^\s/@]+@", r"\g<head>:" + _MASK + "@"),
    # password=..., pgpassword=..., api_key: ..., token=... (query strings, DSNs, JSON, environment lines)
    (
        r"(?i)(?P<key>[\"']?\b[a-z0-9_-]*(?:password|passwd|pwd|secret|token|api[_-]?key|apikey|credentials?)"
        r"[\"']?\s*[=:]\s*)(?P<quote>[\"']?)(?!\[redacted\])(?P<value>[^\s\"'&,;]{3,})(?P=quote)",
        r"\g<key>\g<quote>" + _MASK + r"\g<quote>",
    ),
    (r"(?i)\b(authorization\s*[:=]\s*)(?:(bearer|basic|token)\s+)?[^\s,;\"']+", r"\1" + _MASK),
    (r"(?i)\b(bearer|basic)\s+(?!\[)[a-z0-9._~+/=-]{8,}", r"\1 " + _MASK),
    (r"(?i)\b(x-(?:admin-)?api-key\s*[:=]\s*)[^\s,;\"']+", r"\1" + _MASK),
    # key-like strings by their well-known prefixes
    (
        r"\b(?:sk-[A-Za-z0-9_-]{8,}|em_(?:live|test)_[A-Za-z0-9_-]{6,}|gh[pousr]_[A-Za-z0-9]{16,}|xox[abprs]-[A-Za-z0-9-]{8,}"
        r"|AKIA[A-Z0-9]{12,}|glpat-[A-Za-z0-9_-]{12,}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)",
        _MASK,
    ),
    (r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", _MASK),
)

_CONTROL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]"
)


@functools.cache
def _rules() -> tuple[tuple[re.Pattern[str], str], ...]:
    """The rules, compiled when the first text comes: that takes longer than most commands without a server do."""
    return tuple((re.compile(pattern), replacement) for pattern, replacement in _RULES)


def redact(text: str) -> str:
    """The text without secrets; idempotent."""
    for pattern, replacement in _rules():
        text = pattern.sub(replacement, text)
    return text


def printable(text: str) -> str:
    """The text without terminal escapes, control characters and bidi overrides; newlines and tabs stay."""
    return _CONTROL.sub("", text)

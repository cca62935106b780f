"""What a diagnosis could not look at, as sentences: each told once, failures of one server together."""

from __future__ import annotations

from collections.abc import Iterable

from opsctl.model import Unknown

# Reasons that lie with the server or the way to it: several questions then fail alike.
_SERVERS = frozenset(
    {"unresolved", "refused", "timeout", "closed", "tls", "unauthorized", "throttled", "server-error", "bad-answer",
     "too-large"}
)  # fmt: skip


def told(items: Iterable[Unknown]) -> dict[str, str]:
    """Every failure's own words -> the sentence that tells it, with address and setting.

    Failures of one server for one reason share the sentence of the first.
    """
    items = list(items)
    alike: dict[tuple[str, ...], list[Unknown]] = {}
    for item in items:
        alike.setdefault(_kind(item), []).append(item)
    sentences: dict[str, str] = {}
    for group in alike.values():
        more = len({item.says for item in group}) - 1
        fared = f"; {more} more question{'s' if more > 1 else ''} there fared alike" if more else ""
        for item in group:
            sentences.setdefault(item.says, f"{_told(group[0])}{fared}")
    return sentences


def _kind(item: Unknown) -> tuple[str, ...]:
    """What failures of one kind have in common."""
    where = (item.reason, item.address, item.setting)
    _, _, missing = item.says.partition("; missing is ")  # a right, whatever object it was wanted for
    if item.address and item.reason == "forbidden" and missing:
        return (*where, missing)
    return where if item.address and item.reason in _SERVERS else (item.says,)


def absent(items: Iterable[Unknown]) -> list[str]:
    """What is not configured: ``x defines no signal a`` and ``… b`` become one sentence."""
    groups: dict[str, list[str]] = {}
    for item in items:
        head, _, last = item.says.rstrip(".").rpartition(" ")
        names = groups.setdefault(head, [])
        if last not in names:
            names.append(last)
    return [f"{head} {', '.join(names)}".strip() for head, names in groups.items()]


def place(source: str) -> str:
    """An address or source without its scheme."""
    return source.replace("http://", "").replace("https://", "")


def _told(item: Unknown) -> str:
    """Its words with what they leave out: the system, its address, the setting that chose it."""
    says, address = item.says.rstrip("."), place(item.address)
    if address.rpartition(" ")[2] in says:
        address = ""
    system = item.probe.partition(".")[0]
    known = system in ("", "signal", "http", "log") or system in f"{says} {address}".lower()
    by = f"from {item.setting}" if item.setting and item.setting not in says else ""
    where = " ".join(filter(None, (address, by)))
    return f"{'' if known else f'{system}: '}{says}{f'  ({where})' if where else ''}"

"""What a metric that is not there is probably called: by the words of its name, its type and its labels."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable

from opsctl.services.live_model import Facts, Likely
from opsctl.services.live_parts import Part

SHOWN = 3
SURE = 0.6  # from here on a rename is proposed, not only named
LEAST = 0.3
_TELLING = 0.3  # a word of at least this share of the rarest word's weight is worth naming
_LOOKED_AT = 6  # candidates whose type and labels are looked at
# words that mean the same in metric names
_SAME = {
    "reqs": "request", "req": "request", "latency": "duration", "time": "duration", "elapsed": "duration",
    "err": "error", "failure": "error", "failed": "error", "cnt": "count", "num": "count", "mem": "memory",
    "db": "database", "conn": "connection", "ms": "seconds", "millisecond": "seconds", "second": "seconds",
    "sec": "seconds", "hit": "hits", "misses": "miss", "depth": "size", "length": "size",
}  # fmt: skip
_DULL = frozenset({"total", "count", "sum", "bucket", "seconds", "bytes", "info", "created"})


def words(name: str) -> frozenset[str]:
    """The words of a metric's name, plurals and synonyms made one."""
    split = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower().replace(":", "_").split("_")
    found = set()
    for written in filter(None, split):
        word = _SAME.get(written, written)
        single = word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
        found.add(_SAME.get(single, single))
    return frozenset(found)


def candidates(part: Part, names: Iterable[str]) -> list[str]:
    """The names that can play the part: histograms by their buckets, counters and gauges without those."""
    if part.role == "histogram":
        return sorted(name.removesuffix("_bucket") for name in names if name.endswith("_bucket"))
    suffix = next((s for s in ("_count", "_sum") if part.metric.endswith(s)), "")
    if suffix:
        return sorted(name for name in names if name.endswith(suffix))
    plain = [name for name in names if not name.endswith(("_bucket", "_created", "_info"))]
    if part.role == "gauge":
        return sorted(name for name in plain if not name.endswith(("_sum", "_count", "_total")))
    return sorted(name for name in plain if not name.endswith("_sum"))


def likely(
    part: Part, wanted: Collection[str], names: Collection[str], look: Callable[[str], Facts]
) -> tuple[Likely, ...]:
    """The most likely names, best first. ``wanted``: labels the signal needs; ``look`` gives a candidate's facts."""
    pool = [name for name in candidates(part, names) if name != part.base]
    weight = _weights(pool)
    mine = words(part.base)
    ranked = sorted(((_alike(mine, words(name), weight), name) for name in pool), reverse=True)
    judged = []
    for score, name in ranked[:_LOOKED_AT]:
        if score <= 0.1:
            break
        facts = look(f"{name}_bucket" if part.role == "histogram" else name)
        telling = {word for word in mine & words(name) if weight[word] > _TELLING * max(weight.values())}
        judged.append(_judged(part, name, score, facts, wanted, telling))
    judged.sort(key=lambda found: (-found.score, found.metric))
    return tuple(found for found in judged if found.score >= LEAST)[:SHOWN]


def sure(found: tuple[Likely, ...]) -> Likely | None:
    """The one name that is probably meant: good, and clearly better than the next."""
    if not found or found[0].score < SURE:
        return None
    return None if len(found) > 1 and found[1].score > found[0].score - 0.08 else found[0]


def _weights(names: Collection[str]) -> dict[str, float]:
    """A word that many names have (a prefix) tells little, a rare one much."""
    counted = Counter(word for name in names for word in words(name))
    return {
        word: (0.3 if word in _DULL else 1.0) * max(0.02, math.log((len(names) + 1) / count))
        for word, count in counted.items()
    }


def _alike(mine: frozenset[str], other: frozenset[str], weight: dict[str, float]) -> float:
    """0-1: weighted share of the words that both have."""
    rare = max(weight.values(), default=1.0)

    def total(some: frozenset[str]) -> float:
        return sum(weight.get(word, (0.3 if word in _DULL else 1.0) * rare) for word in some)

    whole = total(mine | other)
    return total(mine & other) / whole if whole else 0.0


def _judged(
    part: Part, name: str, score: float, facts: Facts, wanted: Collection[str], telling: Collection[str]
) -> Likely:
    why = []
    if telling:
        why.append("shares " + ", ".join(sorted(telling)))
    expected = {"histogram": "histogram", "counter": "counter", "gauge": "gauge", "sum": facts.type}[part.role]
    if facts.type == expected and facts.type:
        score += 0.1
        why.append(f"is a {facts.type}")
    elif facts.type:
        score -= 0.15
        why.append(f"but is a {facts.type}")
    there = sorted(set(wanted) & facts.labels)
    if wanted:
        score += 0.15 * (len(there) / len(set(wanted))) - 0.05
        why.append(f"has the label {', '.join(there)}" if there else "lacks its labels")
    return Likely(metric=name, score=round(max(0.0, min(1.0, score)), 3), why="; ".join(why))

"""Which prefixes may be invalidated: those of the profile's ``cache``, literally; never one that holds more than cache.

Sessions, locks, queues and rate limits live in the same Redis as a cache (domain-checks.md R7): removing them logs
people out or runs a job twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from opsctl.errors import OpsctlError, Refused, UsageError
from opsctl.services.model import Profile

PROTECTED = ("session", "sess", "lock", "celery", "queue", "rate", "kombu")
SETTING = "cache.protected"  # in the profile's settings: further words, with commas
SHORTEST = 4  # literal characters
_ENDS = ":/.|#-~_"  # what ends a prefix; without it, user would also be userless
_WORDS = re.compile(rb"[^A-Za-z0-9]+")


def usable(profile: Profile) -> tuple[str, ...]:
    """The prefixes of the profile's ``cache`` that are written as such; the names of settings are none."""
    return tuple(prefix for prefix in profile.cache if prefix[-1:] in _ENDS and prefix)


def protected_words(profile: Profile) -> tuple[str, ...]:
    """Words that no prefix may begin a part with."""
    own = (word.strip().lower() for word in profile.settings.get(SETTING, "").split(","))
    return (*PROTECTED, *(word for word in own if word))


def why_not(prefix: str, profile: Profile) -> OpsctlError | None:
    """Why this prefix may not be invalidated; None when it may."""
    known = usable(profile)
    place = f"profile {profile.service}, key cache"
    if prefix not in known:
        bare = prefix.rstrip("*")
        if bare != prefix and bare in known:
            return UsageError(f"{prefix} is a pattern", remedy=f"Name the prefix as it is: {bare}")
        if prefix in profile.cache:
            says = f"{prefix} is the name of a setting and no prefix of keys: a prefix ends with one of {_ENDS}"
            return Refused(says, place=place, remedy="Give the profile the prefix as the keys have it.")
        listed = f"They are: {', '.join(known)}." if known else "It names none."
        return UsageError(f"{prefix or 'nothing'} is no cache prefix of {profile.service}", place=place, remedy=listed)
    if len(prefix) < SHORTEST:
        says = f"the prefix {prefix} is shorter than {SHORTEST} characters and may begin keys that are no cache"
        return Refused(says, place=place)
    word = protected(prefix.encode(), protected_words(profile))
    if word:
        return Refused(f"{prefix} looks like {word} data, which is no cache, and is never removed", place=place)
    return None


def protected(name: bytes, words: Iterable[str]) -> str:
    """The protected word that a part of this key or prefix begins with; "" for none."""
    parts = [part.lower() for part in _WORDS.split(name) if part]
    return next((word for word in words if any(part.startswith(word.encode()) for part in parts)), "")


def nested(prefix: str, profile: Profile) -> tuple[str, ...]:
    """Longer prefixes of the profile that begin with this one: their keys are theirs."""
    return tuple(other for other in profile.cache if other != prefix and other.startswith(prefix))


def left_alone(prefix: str, others: Iterable[str], words: Iterable[str]) -> Callable[[bytes], str]:
    """A function from a key below ``prefix`` to the nested prefix or the protected word it belongs to; "" = removable.

    Only the part right behind the prefix counts as a word: what follows may be any text.
    """
    whole = [(other.encode(), other) for other in sorted(others, key=len, reverse=True)]
    begun = re.compile(rb"(" + b"|".join(re.escape(word.encode()) for word in words) + rb")", re.I)
    at = len(prefix.encode())

    def belongs(key: bytes) -> str:
        for start, other in whole:
            if key.startswith(start):
                return other
        found = begun.match(key, at)
        return f"{found[1].decode().lower()} data" if found else ""

    return belongs

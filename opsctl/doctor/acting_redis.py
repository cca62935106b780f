"""Redis, the endpoint that acts: the server and database of the look, and the commands of the actions.

What changes keys is never tried: the server is asked to judge it (ACL DRYRUN, Redis 7), where somebody may ask that.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from opsctl.clients.redis import RedisReader
from opsctl.doctor import versions
from opsctl.doctor.acting import another, by_the_look
from opsctl.doctor.acts import REDIS
from opsctl.doctor.model import Checks, Remedy
from opsctl.doctor.remedies import redis_cli
from opsctl.doctor.site import Site
from opsctl.errors import CouldNotLook

_WITHOUT_KEY = frozenset({("INFO",), ("PING",), ("SELECT",), ("SCAN",), ("TIME",)})
_JUDGED = tuple(command for command in REDIS if command not in _WITHOUT_KEY)
_MORE: dict[tuple[str, ...], tuple[str, ...]] = {("RESTORE",): ("0", "x")}  # arguments after the key


def examine(site: Site, reader: RedisReader, checks: Checks, until: float) -> None:
    """``reader``: a connection of the acting user."""
    look = RedisReader(site.beside) if site.beside is not None else None
    missing: list[str] = []
    try:
        mine = _tried(reader, missing, checks, until)
        if look is not None:
            _same(site, reader, look, mine, checks, until)
        told = _judged(site, reader, [one for one in (reader, look) if one is not None], until)
    finally:
        if look is not None:
            look.close()
    if told is None:
        says = "whether it may remove keys was not told: that takes ACL DRYRUN (Redis 7), by it or by the look's user"
        checks.ok("rights-untried", says)
    rules = list(dict.fromkeys([*missing, *(told or ())]))
    if not rules:
        checks.ok("rights", f"user {reader.user} may run all acting commands that were judged or tried")
        return
    lost = [f"{' '.join(c)} ({r.lost})" for c, r in REDIS.items() if r.rule in rules]
    lost += [f"change keys {rule[1:]}" for rule in rules if rule.startswith("~")]
    assert site.endpoint is not None
    secure = site.endpoint.url.startswith("rediss://")
    how = (
        f"As a user with +acl, in redis-cli ({redis_cli(reader.address, tls=secure)}); "
        "ACL SAVE or CONFIG REWRITE then keeps it over a restart"
    )
    remedy = Remedy(how=how, run=f"ACL SETUSER {reader.user} {' '.join(rules)}")
    checks.breach("rights", f"user {reader.user} may not {'; '.join(lost)}", remedy)


def tell(site: Site, reader: RedisReader, checks: Checks, until: float) -> None:
    """Without an endpoint that acts: what the user of the look may change."""
    if not site.acts:
        return
    told = _judged(site, reader, [reader], until)
    if told is None:
        untold = "whether it may remove keys is not told to it (ACL DRYRUN)"
        by_the_look(site, f"user {reader.user}", (), checks, untold=untold)
        return
    cannot = [" ".join(command) for command in _JUDGED if REDIS[command].rule in told]
    cannot += [f"change keys {rule[1:]}" for rule in told if rule.startswith("~")]
    by_the_look(site, f"user {reader.user}", cannot, checks)


def _left(until: float) -> float:
    return max(0.1, min(5.0, until - time.monotonic()))


def _tried(reader: RedisReader, missing: list[str], checks: Checks, until: float) -> dict[str, str]:
    """Run what only reads; who the server is, by INFO."""
    info: dict[str, str] = {}

    def server() -> None:
        told = reader.info("server", timeout=_left(until))
        info.update({name: told.text(name) for name in ("run_id", "redis_version")})
        info["role"] = reader.info("replication", timeout=_left(until)).text("role")

    tries: dict[tuple[str, ...], Callable[[], object]] = {
        ("INFO",): server,
        ("PING",): lambda: reader.ping(timeout=_left(until)),
        ("SCAN",): lambda: reader.page(b"0", b"opsctl:none", timeout=_left(until)),
        ("TIME",): lambda: reader.clock(timeout=_left(until)),
    }
    for command, run in tries.items():
        try:
            run()
        except CouldNotLook as failure:
            if failure.reason == "forbidden":
                words = ("SELECT",) if "'select'" in failure.says.lower() else command
                missing.append(REDIS[words].rule)
            else:
                checks.failed("rights", failure)
    if info.get("redis_version"):
        versions.judge(checks, "redis", info["redis_version"])
    return info


def _same(
    site: Site, reader: RedisReader, look: RedisReader, mine: dict[str, str], checks: Checks, until: float
) -> None:
    """A server is known by the id of its run."""
    if not mine.get("run_id"):
        return  # that INFO is refused is told as a right
    try:
        theirs = look.info("server", timeout=_left(until)).text("run_id")
    except CouldNotLook as failure:
        checks.failed("same-server", failure)
        return
    if theirs != mine["run_id"]:
        another(site, f"{look.address}, where one looks", checks)
    elif look.database != reader.database:
        says = f"it is in database {reader.database}, one looks in {look.database}: actions are refused"
        how = f"Name database {look.database} at the end of the address with {site.setting}"
        checks.breach("same-server", says, Remedy(how=how))
    elif mine.get("role") not in ("", "master"):
        says = f"it is a {mine['role']}: only the primary takes changes"
        checks.breach("primary", says, Remedy(how=f"Give the primary's address with {site.setting}"))
    else:
        checks.ok("same-server", f"the server and database of the look, which is done as user {look.user}")


def _judged(site: Site, reader: RedisReader, askers: list[RedisReader], until: float) -> list[str] | None:
    """ACL rules that the acting user lacks, by DRYRUN of somebody who may ask that; None where nobody may."""
    prefixes = list(dict.fromkeys(prefix for use in site.uses for prefix in use.profile.cache))
    for asker in askers:
        try:
            return _lacks(reader.user, asker, prefixes, until)
        except CouldNotLook:
            continue
    return None


def _lacks(user: str, asker: RedisReader, prefixes: list[str], until: float) -> list[str]:
    def why_not(command: tuple[str, ...], prefix: str) -> str:
        words = (*command, f"{prefix}x", *_MORE.get(command, ()))
        return asker.why_not(user, words, timeout=_left(until))

    lacking: dict[str, None] = {}
    for command in _JUDGED:
        for prefix in prefixes or ["opsctl:"]:
            words = why_not(command, prefix)
            of_key = "access" in words and "key" in words  # the command itself is judged before its keys
            if words and not of_key:
                lacking[REDIS[command].rule] = None
                break
            if words and prefixes:
                lacking[f"~{prefix}*"] = None
    return list(lacking)

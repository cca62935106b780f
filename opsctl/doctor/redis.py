"""Redis: reached, new enough, and which reading commands this user may run: each is tried, none changes anything."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from opsctl.clients.redis import Keys, RedisReader, Sample
from opsctl.doctor import acting_redis, certificate, clock, versions
from opsctl.doctor.model import Checks, Remedy
from opsctl.doctor.remedies import redis_cli
from opsctl.doctor.site import Site
from opsctl.errors import CouldNotLook

MANY_CLIENTS = 5000.0  # CLIENT LIST walks them all: above this it is asked for, not run (RD-6)
KEYS = "%R~*"  # reading any key; before Redis 7 rights to keys are not told apart, and it is ~*


class Right(NamedTuple):
    """One command of the read side. ``rule``: what ACL SETUSER grants it by; ``lost``: what is unknown without it."""

    rule: str
    lost: str


# Every command of opsctl.clients.redis_allowed (a test holds the two together).
RIGHTS: dict[tuple[str, ...], Right] = {
    ("PING",): Right("+ping", "whether it answers"),
    ("INFO",): Right("+info", "nearly everything: memory, hit rate, clients, replication"),
    ("SLOWLOG", "GET"): Right("+slowlog|get", "slow commands"),
    ("LATENCY", "LATEST"): Right("+latency|latest", "latency spikes"),
    ("MEMORY", "STATS"): Right("+memory|stats", "what the memory is used for"),
    ("MEMORY", "USAGE"): Right("+memory|usage", "how much room a prefix takes"),
    ("CONFIG", "GET"): Right("+config|get", "limits and policies"),
    ("CLIENT", "LIST"): Right("+client|list", "who is connected"),
    ("SELECT",): Right("+select", "keys of a database other than 0"),
    ("SCAN",): Right("+scan", "which kinds of keys there are"),
    ("PTTL",): Right("+pttl", "how long keys live"),
    ("TIME",): Right("+time", "whether its clock is right"),
    ("ACL", "WHOAMI"): Right("+acl|whoami", "which user we are"),
    ("ACL", "DRYRUN"): Right("", "rights that are better not tried"),  # administrators' own: never asked to be granted
}
_NEEDED = frozenset({("PING",), ("INFO",)})


def examine(site: Site, checks: Checks, until: float) -> None:
    """Raises CouldNotLook when it cannot be reached."""
    assert site.endpoint is not None
    reader = RedisReader(site.endpoint)
    checks.address = reader.address
    secure = site.endpoint.url.startswith("rediss://")
    try:
        try:
            seconds = reader.ping(timeout=_left(until))
            checks.ok("reachable", f"answers PING in {seconds * 1000:.1f} ms")
        except CouldNotLook as failure:
            if failure.reason not in ("forbidden", "unsupported"):
                raise
            checks.ok("reachable", "it answers")  # that PING is not allowed is told below
        if secure:
            host, _, port = reader.address.rpartition(":")
            certificate.look(checks, host, int(port), until)
            if reader.tls_unverified:
                says = "its certificate is not checked (ssl_cert_reqs in the address)"
                how = f"Take ssl_cert_reqs out of the address that {reader.setting} gives; for a private authority add"
                checks.breach("encryption", says, Remedy(how=how, run="ssl_ca_certs=/path/to/ca.pem"))
        if site.acting:
            acting_redis.examine(site, reader, checks, until)
            return
        _rights(reader, checks, until, secure=secure)
        acting_redis.tell(site, reader, checks, until)
    finally:
        reader.close()


def _left(until: float) -> float:
    return max(0.1, min(5.0, until - time.monotonic()))


def _rights(reader: RedisReader, checks: Checks, until: float, *, secure: bool) -> None:
    """Try each command once; what is refused becomes one problem with one ACL rule for all of it."""
    clients, version, user = 0.0, "", reader.user
    missing: dict[tuple[str, ...], str] = {}
    renamed: list[str] = []

    def attempt(command: tuple[str, ...], run: Callable[[], object]) -> object:
        try:
            return run()
        except CouldNotLook as failure:
            if failure.reason == "forbidden":
                # NOPERM of a key is told as a right to keys, of a command as that command
                missing[command] = KEYS if "access" in failure.says and "key" in failure.says else RIGHTS[command].rule
            elif failure.reason == "unsupported":
                renamed.append(" ".join(command))
            else:
                checks.failed("rights", failure)
            return None

    who = attempt(("ACL", "WHOAMI"), lambda: reader.whoami(timeout=_left(until)))
    user = who if isinstance(who, str) and who else user
    attempt(("PING",), lambda: reader.ping(timeout=_left(until)))
    info = attempt(("INFO",), lambda: reader.info("all", timeout=_left(until)))
    if isinstance(info, Sample):
        version, clients = info.text("redis_version"), info.number("connected_clients") or 0.0
        versions.judge(checks, "redis", version)
        if info.text("loading") == "1":
            checks.breach("loading", "it is still loading its data: until then most commands are refused")
    attempt(("SLOWLOG", "GET"), lambda: reader.slowlog(1, timeout=_left(until)))
    attempt(("LATENCY", "LATEST"), lambda: reader.latency_latest(timeout=_left(until)))
    attempt(("MEMORY", "STATS"), lambda: reader.memory_stats(timeout=_left(until)))
    attempt(("MEMORY", "USAGE"), lambda: reader.sizes([b"opsctl"], 1.0, timeout=_left(until)))
    attempt(("CONFIG", "GET"), lambda: reader.config("maxclients", timeout=_left(until)))
    if clients <= MANY_CLIENTS:
        attempt(("CLIENT", "LIST"), lambda: reader.clients(timeout=_left(until)))
    else:
        _dry_run(reader, user, ("CLIENT", "LIST"), missing, checks, until)
    names = attempt(("SCAN",), lambda: reader.keys(1, 0.5, timeout=_left(until)))
    known = names.names[:1] if isinstance(names, Keys) else ()
    attempt(("PTTL",), lambda: reader.lifetimes(known or (b"opsctl:none",), 0.5, timeout=_left(until)))
    before = time.time()
    now = attempt(("TIME",), lambda: reader.clock(timeout=_left(until)))
    if isinstance(now, float):
        clock.compare(checks, now, before=before, after=time.time())
    _tell(reader, checks, user=user, missing=missing, renamed=renamed, version=version, secure=secure)


def _dry_run(
    reader: RedisReader,
    user: str,
    command: tuple[str, ...],
    missing: dict[tuple[str, ...], str],
    checks: Checks,
    until: float,
) -> None:
    try:
        if not reader.may(user, command, timeout=_left(until)):
            missing[command] = RIGHTS[command].rule
    except CouldNotLook:
        checks.ok("rights-untried", f"whether it may run {' '.join(command)} was not tried: too many clients for that")


def _tell(
    reader: RedisReader,
    checks: Checks,
    *,
    user: str,
    missing: dict[tuple[str, ...], str],
    renamed: list[str],
    version: str,
    secure: bool,
) -> None:
    if missing:
        rules = list(dict.fromkeys(rule for rule in missing.values() if rule))
        if versions.number(version)[:1] < (7,) and version:
            rules = ["~*" if rule == KEYS else rule for rule in rules]
        lost = "; ".join(f"{' '.join(command)} ({RIGHTS[command].lost})" for command in missing)
        need = "objective" if checks.needed and _NEEDED & missing.keys() else "optional"
        checks.breach(
            "rights",
            f"user {user} may not run {lost}",
            Remedy(
                how="As a user with +acl, in redis-cli "
                f"({redis_cli(reader.address, tls=secure)}); ACL SAVE or CONFIG REWRITE then keeps it over a restart",
                run=f"ACL SETUSER {user} {' '.join(rules)}",
            ),
            need=need,  # type: ignore[arg-type]
        )
    else:
        checks.ok("rights", f"user {user} may run all reading commands that were tried")
    if renamed:
        says = f"{', '.join(renamed)} is renamed or switched off at this server: what it tells will be unknown"
        how = "Take rename-command out of redis.conf for it, or allow it with the provider of a managed Redis"
        checks.breach("renamed", says, Remedy(how=how))

"""firewall.block-ip: one address kept out of this host for at most a day (requirements B-58, domain-checks.md R6)."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from opsctl.actions.customer_evidence import customers_of
from opsctl.actions.model import Check, Did, Effect, Excluded, Limit, Pace, Params, Plan, Proposal, Step, Target
from opsctl.actions.model import Verified as Saw
from opsctl.actions.registry import Action, register
from opsctl.clients import nft
from opsctl.clients.command import shown
from opsctl.durations import format_duration, parse_duration
from opsctl.errors import CouldNotLook

if TYPE_CHECKING:
    from opsctl.actions.hands import Hands

LONGEST = 86400.0  # seconds
_SHARED = ipaddress.ip_network("100.64.0.0/10")  # carrier-grade NAT: thousands of people behind one address
_FEW = 1  # customers that may be behind it: the one that it is about


class BlockParams(Params, frozen=True, kw_only=True):
    """``ip``: one address, no network. ``duration``: at most a day. ``allow_address``: block this one although it is
    ours, private or of a carrier."""

    ip: str
    duration: str = "24h"
    allow_address: tuple[str, ...] = ()
    allow_shared: bool = False

    def __post_init__(self) -> None:
        address_of(self.ip)
        if not 0 < parse_duration(self.duration) <= LONGEST:
            raise ValueError("duration: more than nothing, at most 24h")


class Seen(NamedTuple):
    """What was observed. ``ruleset``: None = our table is not there yet. ``whose``: why it is one of ours, or ""."""

    host: str
    address: nft.Address
    ruleset: nft.Ruleset | None
    whose: str
    customers: int | None
    says: str


def address_of(text: str) -> nft.Address:
    """One address; an IPv4 one written as IPv6 is the IPv4 one. Raises ValueError."""
    try:
        found = ipaddress.ip_address(text.strip())
    except ValueError:
        raise ValueError(f"ip: {text[:60]!r} is not one IPv4 or IPv6 address") from None
    if isinstance(found, ipaddress.IPv6Address):
        if found.scope_id:
            raise ValueError("ip: an address with a zone is of this link only")
        return found.ipv4_mapped or found
    return found


def observe(hands: Hands, params: BlockParams) -> Seen:
    """Our table, our own addresses, who else comes from this one. Raises CouldNotLook."""
    address = address_of(params.ip)
    ruleset = nft.Nft(hands.settings.environ).ruleset()
    count, says = customers_of(hands, str(address))
    return Seen(socket.gethostname(), address, ruleset, _ours(hands, address), count, says)


def _ours(hands: Hands, address: nft.Address) -> str:
    """Why an address must not be blocked without being named; "" where it may."""
    if address.is_loopback:
        return "it is this host's own loopback"
    if address.is_unspecified or address.is_multicast:
        return "it is no host's address"
    if address in _own():
        return "it is an address of this host"
    if address.is_link_local:
        return "it is of this link only"
    if address in _SHARED:
        return "it is of a carrier's shared range (100.64.0.0/10)"
    if (where := _named(hands, address)) is not None:
        return where
    return "it is a private address" if _private(address) else ""


def _private(address: nft.Address) -> bool:
    nets = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16") if address.version == 4 else ("fc00::/7",)
    return any(address in ipaddress.ip_network(net) for net in nets)


def _own() -> set[nft.Address]:
    """Addresses of this host, as the kernel tells them."""
    found: set[nft.Address] = set()
    for family, file in ((4, "/proc/net/fib_trie"), (6, "/proc/net/if_inet6")):
        try:
            text = Path(file).read_text(encoding="utf-8")
        except OSError:
            continue
        if family == 6:
            found |= {ipaddress.ip_address(bytes.fromhex(line.split()[0])) for line in text.splitlines() if line}
            continue
        last = ""
        for line in text.splitlines():
            if "|--" in line:
                last = line.split()[-1]
            elif "host LOCAL" in line:
                found.add(ipaddress.ip_address(last))
    return found


def _named(hands: Hands, address: nft.Address) -> str | None:
    """Whether it is a proxy, the monitoring, a system of the service, or where this very session comes from."""
    settings = hands.profile.settings
    for name in ("known_addresses", "trusted_proxies"):
        for word in settings.get(name, "").replace(",", " ").split():
            try:
                if address in ipaddress.ip_network(word, strict=False):
                    return f"it is one of the profile's {name}"
            except ValueError:
                if address in _resolved(word):
                    return f"it is {word}, of the profile's {name}"
    session = hands.settings.environ.get("SSH_CONNECTION", "").split()
    if session and str(address) == session[0]:
        return "this session comes from it (SSH_CONNECTION)"
    for name in ("prometheus", "alertmanager", *hands.profile.endpoints):
        try:
            url = hands.readers.endpoint(name).url
        except CouldNotLook:
            continue
        host = urlsplit(url if "://" in url else f"//{url}").hostname or ""
        if host and address in _resolved(host):
            return f"it is the endpoint {name} ({host})"
    return None


def _resolved(host: str) -> set[nft.Address]:
    try:
        return {ipaddress.ip_address(one[4][0]) for one in socket.getaddrinfo(host, None)}
    except (OSError, ValueError):
        return set()


def propose(seen: Seen, params: BlockParams) -> Proposal:
    """One element, and what it hangs on where that is not there yet."""
    seconds = int(parse_duration(params.duration))
    address = str(seen.address)
    setting_up = () if _ready(seen.ruleset, seen.address) else (nft.setup(),)
    there = _there(seen.ruleset, seen.address)
    for_ = format_duration(float(seconds))
    step = Step(
        target=Target(id=f"address {address}", pin={"address": address, "blocked": False}, says=seen.says),
        why="named by the command",
        calls=tuple(shown(call) for call in (*setting_up, nft.add_call(seen.address, seconds))),
        before={"address": address, "seconds": seconds},
        shows=(f"ends by itself after {for_}", f"earlier: {shown(nft.remove_call(seen.address))}"),
    )
    named = any(address == str(address_of(one)) for one in params.allow_address if one)
    shared = seen.customers is not None and seen.customers > _FEW
    checks = [
        Check(id="not-ours", says=seen.whose or f"{address} is none of ours", ok=not seen.whose or named,
              lift="" if not seen.whose else f"--allow-address {address}"),
        Check(id="not-shared", says=seen.says,
              ok=None if seen.customers is None and not params.allow_shared else not shared or params.allow_shared,
              lift="--allow-shared" if shared or seen.customers is None else ""),
    ]  # fmt: skip
    left = "" if there is None else f"it is blocked already, for {format_duration(float(round(there.left)))} more"
    return Proposal(
        subject=f"nftables of {seen.host}",
        scope=f"firewall {seen.host}",
        steps=(step,) if there is None else (),
        of=1,
        unit="addresses",
        impact=f"{address} reaches nothing on or behind this host for {for_}",
        undo=f"{shown(nft.remove_call(seen.address))}; it ends by itself anyway",
        excluded=(Excluded(id=step.target.id, says=seen.says, why=left),) if left else (),
        checks=tuple(checks),
        notes=("behind a proxy every request comes from the proxy: block there instead",),
    )


def apply(hands: Hands, step: Step) -> Did:
    """Make what is missing, then create the element: refused by the kernel when it is there already."""
    address, seconds = address_of(step.before["address"]), int(step.before["seconds"])
    program = nft.Nft(hands.settings.environ)
    if not _ready(program.ruleset(), address):
        ran = program.change(nft.setup())
        if ran.code != 0:
            return Did(state="failed", says=f"the table could not be made: {program.failed(ran).says}")
    ran = program.change(nft.add_call(address, seconds))
    if ran.code is None:
        return Did(state="unknown", says=f"{shown(ran.argv)} did not end in time")
    there = _there(program.ruleset(), address)
    if ran.code != 0:
        if there is not None:
            return Did(state="unchanged", says=f"it is blocked already, for {there.left:.0f} s more")
        return Did(state="failed", says=program.failed(ran).says)
    if there is None:
        return Did(state="failed", says="nft said that it is done, and the set does not hold it")
    says = f"blocked for {format_duration(float(seconds))}"
    return Did(state="acted", says=says, inverse={"address": str(address)}, after={"expires_in": there.left})


def settled(hands: Hands, step: Step) -> Effect:
    """Whether the set holds it."""
    try:
        ruleset = nft.Nft(hands.settings.environ).ruleset()
    except CouldNotLook:
        return "unknown"
    return "not-acted" if _there(ruleset, address_of(step.before["address"])) is None else "acted"


def undo(hands: Hands, step: Step, inverse: Mapping[str, Any]) -> Did:
    """Take it out of the set; one that has ended by itself is left."""
    address = address_of(str(inverse["address"]))
    program = nft.Nft(hands.settings.environ)
    if _there(program.ruleset(), address) is None:
        return Did(state="unchanged", says="it is not blocked any more")
    ran = program.change(nft.remove_call(address))
    if ran.code != 0:
        return Did(state="unknown" if ran.code is None else "failed", says=program.failed(ran).says)
    return Did(state="acted", says="it is let in again")


def verify(hands: Hands, plan: Plan, done: tuple[int, ...]) -> Saw:
    """The set holds it, and the rule that drops is there."""
    (step,) = plan.proposal.steps
    address = address_of(step.before["address"])
    try:
        ruleset = nft.Nft(hands.settings.environ).ruleset()
    except CouldNotLook as failed:
        return Saw(ok=None, says=failed.says)
    there = _there(ruleset, address)
    if there is None or not _ready(ruleset, address):
        says = f"{address} is not in the set" if there is None else "no rule drops what the set holds"
        return Saw(ok=False, says=says)
    return Saw(ok=True, says=f"{address} is dropped for {format_duration(float(round(there.left)))} more")


def _ready(ruleset: nft.Ruleset | None, address: nft.Address) -> bool:
    return ruleset is not None and nft.set_of(address) in ruleset.rules


def _there(ruleset: nft.Ruleset | None, address: nft.Address) -> nft.Element | None:
    held = () if ruleset is None else ruleset.sets.get(nft.set_of(address), ())
    return next((one for one in held if one.address == str(address)), None)


BLOCK = register(
    Action(
        id="firewall.block-ip",
        title="Keep one address out for at most a day",
        params=BlockParams,
        observe=observe,
        propose=propose,
        apply=apply,
        settled=settled,
        undo=undo,
        verify=verify,
        help={
            "ip": "The address.",
            "duration": "How long, at most 24h; it ends by itself.",
            "allow_address": "Block this address although it is ours, private or of a carrier.",
            "allow_shared": "Block it although more than one customer comes from it.",
        },
        weight=4,
        asks="nft create element inet opsctl blocked4 '{ IP timeout 86400s }', once: its table, sets, chains and rules",
        privilege="root or CAP_NET_ADMIN on the host whose traffic it is",
        limit=Limit(targets=1, share=1.0),
        pace=Pace(batch=1, pause=0.0),
        cooldown=0.0,
    )
)

"""nftables by its own program: read and change one set of blocked addresses. Arguments, never a shell.

The set is ``blocked4`` or ``blocked6`` of the table ``inet opsctl``; its rule drops before every other chain looks
(priority -300), so that no earlier accept lets the address in (requirements B-58). Elements end by themselves.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from opsctl.clients.command import Ran, run, shown
from opsctl.errors import CouldNotLook

TABLE = ("inet", "opsctl")
PRIORITY = -300
_TIMEOUT = 10.0
_FAMILIES = (("ip", "blocked4"), ("ip6", "blocked6"))

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Element(NamedTuple):
    """One blocked address. ``left``: seconds until it ends; 0 = never."""

    address: str
    left: float


class Ruleset(NamedTuple):
    """What is there of ours: the sets with their elements, and whether the rules that use them are."""

    sets: dict[str, tuple[Element, ...]]
    rules: frozenset[str]  # names of the sets that a rule drops


def set_of(address: Address) -> str:
    """The set that holds addresses of this family."""
    return f"blocked{address.version}"


def setup() -> tuple[str, ...]:
    """The call that makes table, sets, chains and rules, in one transaction; it may be made again."""
    table = " ".join(TABLE)
    chains = ("input", "forward")
    return (
        "nft",
        "; ".join(
            [
                f"add table {table}",
                *(f"add set {table} blocked{n} {{ type ipv{n}_addr; flags timeout; }}" for n in (4, 6)),
                *(
                    f"add chain {table} {c} {{ type filter hook {c} priority {PRIORITY}; policy accept; }}"
                    for c in chains
                ),
                *(f"flush chain {table} {c}" for c in chains),
                *(f"add rule {table} {c} {ip} saddr @{name} drop" for c in chains for ip, name in _FAMILIES),
            ]
        ),
    )


def add_call(address: Address, seconds: int) -> tuple[str, ...]:
    """Block it for so long; refused when it is there already."""
    return ("nft", "create", "element", *TABLE, set_of(address), f"{{ {address} timeout {seconds}s }}")


def remove_call(address: Address) -> tuple[str, ...]:
    """Let it in again; refused when it is not there."""
    return ("nft", "delete", "element", *TABLE, set_of(address), f"{{ {address} }}")


class Nft:
    """The program on this host."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        path = environ.get("PATH", "")
        # Where it lies on Debian, which leaves it out of users' PATH.
        self._environ = {**environ, "PATH": f"{path}:/usr/sbin:/sbin" if path else "/usr/sbin:/sbin:/usr/bin:/bin"}

    def ruleset(self) -> Ruleset | None:
        """Our table; None where it was never made. Raises CouldNotLook: no program, not permitted, odd answer."""
        ran = self._run(("nft", "-j", "list", "table", *TABLE))
        if ran.code != 0 and "No such file or directory" in ran.err and "denied" not in ran.err:
            return None
        if ran.code != 0:
            raise self.failed(ran)
        try:
            told = msgspec.json.decode(ran.out, type=dict[str, list[dict[str, Any]]])["nftables"]
        except (msgspec.MsgspecError, KeyError):
            raise CouldNotLook("bad-answer", f"{shown(ran.argv)} answers with something else", address="nft") from None
        sets = {one["set"]["name"]: tuple(_elements(one["set"])) for one in told if "set" in one}
        rules = [str(one["rule"].get("expr")) for one in told if "rule" in one and one["rule"].get("chain") == "input"]
        return Ruleset(sets, frozenset(n for n in sets if any(f"@{n}'" in r and "drop" in r for r in rules)))

    def change(self, argv: tuple[str, ...]) -> Ran:
        """One call that changes something. Raises CouldNotLook only when it could not be started."""
        return self._run(argv)

    def failed(self, ran: Ran) -> CouldNotLook:
        """Why a call did not do what it should."""
        first = next((line.strip() for line in (ran.err or ran.out).splitlines() if line.strip()), "")
        if ran.denied or "not permitted" in first.lower():
            says = f"nft may not be used by this user ({first[:120]}): it needs root, or CAP_NET_ADMIN"
            return CouldNotLook("forbidden", says, address="nft")
        return CouldNotLook("server-error", f"{shown(ran.argv)} ended with {ran.code}: {first[:160]}", address="nft")

    def _run(self, argv: tuple[str, ...]) -> Ran:
        return run(argv, self._environ, timeout=_TIMEOUT)


def _elements(one: Mapping[str, Any]) -> list[Element]:
    found = []
    for element in one.get("elem", ()):
        inner = element.get("elem", element) if isinstance(element, dict) else {"val": element}
        found.append(Element(str(inner.get("val", "")), float(inner.get("expires", 0.0))))
    return found

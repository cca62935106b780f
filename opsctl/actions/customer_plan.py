"""What containing a key needs to know, its steps in their order, and what must hold before any of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from opsctl.actions import customer_evidence as evidence
from opsctl.actions import customer_keyfile as keyfile
from opsctl.actions import customer_proof as proof
from opsctl.actions import registry
from opsctl.actions.customer_api import Key, checked_id, opened, path_of
from opsctl.actions.customer_key import made_for, name_for
from opsctl.actions.model import Check, Params, Step, Target
from opsctl.config.places import state_dir
from opsctl.durations import format_duration, parse_duration
from opsctl.errors import CouldNotLook

if TYPE_CHECKING:
    from opsctl.actions.hands import Hands


class ContainParams(Params, frozen=True, kw_only=True):
    """``key``: the id of the stolen key. ``key_file``: where the new key's text goes, a file that is not there yet or a
    folder. ``old_key_file``: holds the
    stolen key's text, for the proof; ``/dev/stdin`` reads it from there. ``restart``: an adapter of the profile."""

    customer: str
    key: str
    key_file: str
    old_key_file: str = ""
    suspected: bool = False
    suspend: bool = False
    restart: str = ""
    evidence: str = ""
    since: str = "24h"
    address: tuple[str, ...] = ()
    cache_ttl: str = ""
    without_evidence: bool = False
    without_proof: bool = False
    unlisted: bool = False

    def __post_init__(self) -> None:
        checked_id(self.customer, "customer")
        checked_id(self.key, "key")
        parse_duration(self.since)
        if self.cache_ttl:
            parse_duration(self.cache_ttl)
        if self.suspected and (self.suspend or self.restart):
            raise ValueError("suspected: nothing is suspended or restarted for a key that is only suspected")


class Seen(NamedTuple):
    """What was observed. ``keys``: None where the service does not list them; ``traced``: an export names this key."""

    where: str
    record: dict[str, Any]
    keys: tuple[Key, ...] | None
    use: evidence.Use
    key_file: str
    file: str  # what hinders the key file, "" = nothing
    old_file: bool
    folder: str
    traced: bool
    addresses: tuple[str, ...]
    ttl: float
    keys_path: str
    customer_path: str
    check_path: str
    restarts: tuple[Step, ...] = ()


def observe(hands: Hands, params: ContainParams) -> Seen:
    """The customer, its keys, who uses this one. Raises CouldNotLook."""
    with opened(hands) as api:
        record, keys, where = api.customer(params.customer), api.keys(params.customer), api.where
    made = made_for(keys, params.key) is not None
    stem = f"{hands.profile.service}-{params.customer}-{params.key}"
    home = Path(params.evidence).absolute() if params.evidence else state_dir(hands.settings.environ) / "evidence"
    file = _file(params, hands)
    return Seen(
        where=where,
        record=record,
        keys=keys,
        use=evidence.uses_of(hands, params.key),
        key_file=str(file),
        file="" if made and keyfile.state_of(file) == "full" else keyfile.hindrance(file),
        old_file=params.old_key_file == "/dev/stdin" or Path(params.old_key_file).is_file(),
        folder=str(home / f"{stem}-{hands.moment:%Y%m%dT%H%M%SZ}"),
        traced=any(home.glob(f"{stem}-*/{evidence.SUMS}")) if home.is_dir() else False,
        addresses=proof.addresses_of(hands, params.address),
        ttl=proof.ttl_of(hands, params.cache_ttl),
        keys_path=path_of(hands, "api_keys", customer_id=params.customer),
        customer_path=path_of(hands, "customer", customer_id=params.customer),
        check_path=proof.check_path(hands),
        restarts=_restarts(hands, params.restart) if params.restart else (),
    )


def _file(params: ContainParams, hands: Hands) -> Path:
    """The new key's file: the one that was named, or a new one in the folder that was."""
    named = Path(params.key_file).absolute()
    if named.is_dir():
        return named / f"{params.customer}-{hands.moment:%Y%m%dT%H%M%SZ}.key"
    return named


def _restarts(hands: Hands, adapter: str) -> tuple[Step, ...]:
    action = registry.get("service.restart")
    if action is None:
        raise CouldNotLook("unsupported", "this opsctl has no action service.restart")
    how = msgspec.convert({"adapter": adapter}, action.params)
    return action.propose(action.observe(hands, how), how).steps


class _Steps:
    """Puts steps together: all have the customer and the key as their identity, which is never used again."""

    def __init__(self, seen: Seen, params: ContainParams) -> None:
        self.seen, self.params = seen, params
        self.all: list[Step] = []

    def add(self, kind: str, says: str, why: str, *calls: str, **before: Any) -> None:
        p = self.params
        self.all.append(
            Step(
                target=Target(id=f"{kind} {p.key}", pin={"customer": p.customer, "key": p.key}, says=says),
                why=why,
                calls=calls,
                before={"kind": kind, "customer": p.customer, "key": p.key, **before},
                shows=self.seen.use.sources if not self.all else (),
            )
        )

    def patch(self, status: str) -> str:
        return self._curl("PATCH", self.seen.customer_path, f'{{"status": "{status}"}}')

    def make(self) -> str:
        return self._curl("POST", self.seen.keys_path, f'{{"name": "{name_for(self.params.key)}"}}')

    def revoke(self) -> str:
        return self._curl("DELETE", f"{self.seen.keys_path}/{self.params.key}")

    def _curl(self, method: str, path: str, body: str = "") -> str:
        data = f" -H 'Content-Type: application/json' -d '{body}'" if body else ""
        return f'curl -X {method} http://{self.seen.where}{path} -H "$ADMIN_KEY_HEADER"{data}'


def planned(seen: Seen, p: ContainParams) -> tuple[Step, ...]:
    """The steps in their order; what is revoked first while a key is abused is last where it is only suspected."""
    made = _Steps(seen, p)
    status = str(seen.record.get("status", ""))
    file = seen.key_file
    if not p.without_evidence:
        why = f"before anything is changed: the lines of {p.since} that name it, with their hashes"
        made.add("evidence", seen.folder, why, f"mkdir -m 700 {seen.folder}", folder=seen.folder, since=p.since)
    if p.suspend:
        made.add(
            "suspend",
            f"status {status}",
            "asked for: all its keys are shut out",
            made.patch("suspended"),
            status=status,
        )
    make = (f"text to {file}, mode 0600", "its owner needs another one", made.make())
    lets_in = tuple(f'curl -X POST {one}{seen.check_path} -H "$NEW_KEY_HEADER" -d "{{}}"' for one in seen.addresses)
    if p.suspected:
        made.add("make", *make, file=file)
        made.add("deliver", file, "it must be let in", *lets_in, file=file, addresses=list(seen.addresses))
        return tuple(made.all)
    made.add("revoke", seen.use.says, "somebody else uses it", made.revoke())
    made.add("make", *make, file=file)
    for step in seen.restarts:
        before = {"kind": "restart", "customer": p.customer, "key": p.key, "step": msgspec.to_builtins(step)}
        target = msgspec.structs.replace(step.target, id=f"restart {step.target.id}")
        why = "a restart empties the key cache"
        made.all.append(msgspec.structs.replace(step, target=target, why=why, before=before))
    ttl = format_duration(seen.ttl)
    if not seen.restarts:
        why = f"validated keys are remembered for {ttl}, and nothing empties that cache but a restart"
        made.add("wait", f"{ttl} from the revocation", why, f"sleep {seen.ttl:g}", seconds=seen.ttl)
    if not p.without_proof:
        asks = tuple(f'curl -X POST {one}{seen.check_path} -H "$OLD_KEY_HEADER" -d "{{}}"' for one in seen.addresses)
        why = f"401 everywhere, for at most another {ttl}"
        listed = list(seen.addresses)
        made.add("prove", "asks with the old key", why, *asks, file=p.old_key_file, addresses=listed, seconds=seen.ttl)
    if p.suspend:
        made.add("reactivate", "status suspended", "the stolen key is refused", made.patch("active"))
    made.add("deliver", file, "it must be let in", *lets_in, file=file, addresses=list(seen.addresses))
    return tuple(made.all)


def checks_of(seen: Seen, params: ContainParams) -> tuple[Check, ...]:
    """The preconditions; they hold as well when it is gone on with after some of the steps."""
    keys = seen.keys
    mine = next((key for key in keys or () if key.id == params.key), None)
    begun = seen.traced or made_for(keys, params.key) is not None
    known: bool | None = mine is not None or begun or params.unlisted
    says = f"{params.key} is one of {len(keys or ())} keys of {params.customer}"
    if keys is None:
        says, known = f"the service does not list the keys of {params.customer}", known or None
    elif mine is None:
        says = f"{params.customer} has no key {params.key}" + (", which this was begun for" if begun else "")
    found = [
        Check(id="key", says=says, ok=known, lift="--unlisted" if keys is None else ""),
        Check(
            id="status",
            says=f"{params.customer} is {seen.record.get('status') or 'without a status'}",
            ok=seen.record.get("status") in ("active", "suspended"),
        ),
        Check(id="key-file", says=seen.file or f"{seen.key_file} can be written", ok=not seen.file),
    ]
    if mine is not None and mine.admin:
        others = sum(key.admin and key.active and key.id != mine.id for key in keys or ())
        found.append(Check(id="last-admin", says=f"{others} other keys may administrate", ok=others > 0))
    if not params.without_evidence:
        ok = None if seen.use.requests is None else True
        found.append(Check(id="evidence", says=seen.use.says, ok=ok, lift="" if ok else "--without-evidence"))
    if not params.suspected and not params.without_proof:
        says = f"the stolen key's text is in {params.old_key_file}"
        if not seen.old_file:
            says = (
                f"{params.old_key_file or 'no --old-key-file'}: without the old key nothing proves that it is refused"
            )
        lift = "" if seen.old_file else "--without-proof"
        found.append(Check(id="old-key", says=says, ok=seen.old_file, lift=lift))
    return tuple(found)

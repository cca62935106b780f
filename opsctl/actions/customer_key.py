"""Making and revoking a customer's key: the two acts that containment and rotation are made of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from opsctl.actions import customer_keyfile as keyfile
from opsctl.actions.customer_api import Api, Key, opened, path_of
from opsctl.actions.model import Did, Effect
from opsctl.errors import CouldNotLook
from opsctl.redact import printable

if TYPE_CHECKING:
    from opsctl.actions.hands import Hands

_TEXT = ("api_key", "key", "plaintext", "plaintext_key", "secret", "token")
_ID = ("key_id", "api_key_id", "id")


def name_for(old: str) -> str:
    """The new key's name: tells which one it replaces, so that it is found again after a crash."""
    return f"rotated from {old}"


def made_for(keys: tuple[Key, ...] | None, old: str) -> Key | None:
    """The active key that was made in the place of ``old``."""
    return next((key for key in keys or () if key.active and key.name == name_for(old)), None)


def make(hands: Hands, customer: str, old: str, file: Path) -> Did:
    """A new key, its text at once in the file. One whose text was lost in a crash is revoked and made anew."""
    with opened(hands) as api:
        there = made_for(api.keys(customer), old)
        state = keyfile.state_of(file)
        if state == "full":
            if there is not None:
                return Did(state="unchanged", says=f"{there.id} was made, and its text is in {file}")
            return Did(state="failed", says=f"{file} is there already and is not written over")
        if there is not None:
            hands.tell(f"{there.id} was made and its text never written; it is revoked and another one made")
            sent = api.send("DELETE", path_of(hands, "api_keys", customer_id=customer) + f"/{there.id}")
            if not sent.ok:
                return Did(state="failed", says=f"{there.id}, whose text is lost, could not be revoked: {sent.says}")
        try:
            keyfile.reserve(file)
        except OSError as error:
            return Did(state="failed", says=f"{file} cannot be written ({error.strerror}); no key was made")
        return _made(hands, api, customer, old, file)


def _made(hands: Hands, api: Api, customer: str, old: str, file: Path) -> Did:
    path = path_of(hands, "api_keys", customer_id=customer)
    sent = api.send("POST", path, {"name": name_for(old)})
    if not sent.ok or sent.answer is None:
        if not sent.maybe:
            file.unlink(missing_ok=True)
            return Did(state="failed", says=sent.says)
        return _lost(api, customer, old, f"{sent.says}; whether a key was made")
    try:
        told = msgspec.json.decode(sent.answer.body, type=dict[str, Any])
    except msgspec.MsgspecError:
        return _lost(api, customer, old, "the answer to the new key cannot be read; the key")
    text = next((told[name] for name in _TEXT if isinstance(told.get(name), str) and told[name]), "")
    id = printable(str(next((told[name] for name in _ID if told.get(name)), "")))
    if not text:
        return _lost(api, customer, old, "the answer to the new key does not hold its text; the key")
    try:
        keyfile.write(file, text)
    except OSError as error:
        gone = api.send("DELETE", f"{path}/{id}")
        end = "it was revoked again" if gone.ok else f"it could not be revoked again: {gone.says}"
        return Did(state="failed", says=f"{file} cannot be written ({error.strerror}); {id} was made, {end}")
    says = f"{id} was made; its text is in {file} (0600) and nowhere else"
    return Did(state="acted", says=says, inverse={"customer": customer, "key": id}, after={"key_id": id})


def _lost(api: Api, customer: str, old: str, what: str) -> Did:
    """A key may be there whose text nobody has: it is looked for when this is resumed, and revoked then."""
    try:
        there = made_for(api.keys(customer), old)
    except CouldNotLook:
        there = None
    if there is None:
        return Did(state="unknown", says=f"{what} is there is not known")
    return Did(state="failed", says=f"{what} {there.id} is there without its text; going on revokes it")


def make_settled(hands: Hands, customer: str, old: str, file: Path) -> Effect:
    """Made and written: acted. Made without its text, or not made: not acted, and doing it again mends it."""
    state = keyfile.state_of(file)
    if state == "full":
        return "acted"
    if state == "foreign":
        return "unknown"
    try:
        with opened(hands) as api:
            return "not-acted" if api.keys(customer) is not None or state == "absent" else "unknown"
    except CouldNotLook:
        return "unknown"


def unmake(hands: Hands, inverse: Mapping[str, Any]) -> Did:
    """Revoke the new key, unless it is the only one left."""
    customer, id = str(inverse["customer"]), str(inverse["key"])
    with opened(hands) as api:
        keys = api.keys(customer)
    others = [key for key in keys or () if key.active and key.id != id]
    if keys is not None and not others:
        return Did(
            state="failed", says=f"{id} is the only key that {customer} has left; the old one cannot be had back"
        )
    return revoke(hands, customer, id)


def revoke(hands: Hands, customer: str, key: str) -> Did:
    """DELETE, and look whether it is gone. It is final: there is no inverse."""
    with opened(hands) as api:
        keys = api.keys(customer)
        before = next((one for one in keys or () if one.id == key), None)
        if keys is not None and (before is None or not before.active):
            return Did(state="unchanged", says=f"{key} is revoked already")
        sent = api.send("DELETE", path_of(hands, "api_keys", customer_id=customer) + f"/{key}")
        if not sent.ok and not sent.maybe:
            return Did(state="failed", says=sent.says)
        try:
            now = api.keys(customer)
        except CouldNotLook as failed:
            return Did(state="unknown", says=f"{sent.says or 'it was sent'}; the keys could not be read: {failed.says}")
        if now is None:
            state: Any = "acted" if sent.ok else "unknown"
            return Did(state=state, says=f"{key}: {sent.says or 'the server said that it is revoked'}")
        if any(one.id == key and one.active for one in now):
            return Did(state="failed", says=f"{sent.says or 'the server said that it did it'}; {key} is still active")
        return Did(state="acted", says=f"{key} is revoked", after={"active": sum(one.active for one in now)})


def revoke_settled(hands: Hands, customer: str, key: str) -> Effect:
    """By the list of keys."""
    try:
        with opened(hands) as api:
            keys = api.keys(customer)
    except CouldNotLook:
        return "unknown"
    if keys is None:
        return "unknown"
    return "not-acted" if any(one.id == key and one.active for one in keys) else "acted"

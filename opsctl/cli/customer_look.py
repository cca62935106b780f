"""What `opsctl customer show` asks and shows: the record, the keys by their ids, who uses each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opsctl.actions.customer_api import checked_id, opened
from opsctl.actions.customer_evidence import uses_of
from opsctl.errors import ConfigError, CouldNotLook, NotConfigured, Refused, Unavailable, UsageError
from opsctl.redact import printable, redact

if TYPE_CHECKING:
    from opsctl.actions.hands import Hands

SCHEMA = "opsctl.customer/1"
_HIDDEN = ("api_key", "secret", "token", "password")


def look(hands: Hands, customer: str) -> dict[str, Any]:
    """Plain data. Raises UsageError for an id that is none or unknown, Unavailable, Refused, ConfigError."""
    try:
        checked_id(customer, "the customer's id")
    except ValueError as error:
        raise UsageError(str(error)) from None
    with could_ask(), opened(hands) as api:
        try:
            record = api.customer(customer)
        except CouldNotLook as failed:
            if failed.reason == "not-found":
                raise UsageError(failed.says) from None
            raise
        keys = api.keys(customer)
        return {
            "schema": SCHEMA,
            "service": hands.profile.service,
            "address": api.where,
            "customer": {name: _shown(name, value) for name, value in record.items()},
            "keys": None
            if keys is None
            else [
                {
                    "key_id": key.id,
                    "name": key.name,
                    "active": key.active,
                    "created_at": key.created,
                    "last_used_at": key.used,
                    "use": (use := uses_of(hands, key.id)).says,
                    "sources": list(use.sources),
                }
                for key in keys
            ],
        }


class could_ask:  # noqa: N801 - used as a with statement's word
    """Turns what a client could not do into the error of a command."""

    def __enter__(self) -> None:
        """Nothing yet."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, NotConfigured):
            raise ConfigError(error.says, place=error.setting) from None
        if isinstance(error, CouldNotLook):
            known = error.reason in ("forbidden", "unauthorized")
            raise (Refused if known else Unavailable)(error.says, place=error.setting) from None


def _shown(name: str, value: Any) -> Any:
    if any(word in name.lower() for word in _HIDDEN):
        return "[redacted]"
    return value if isinstance(value, int | float | bool) or value is None else redact(printable(str(value)))


def render(data: dict[str, Any]) -> str:
    """As text."""
    record = data["customer"]
    lines = [f"{record.get('customer_id', 'customer')}: {record.get('status', '?')}   ({data['address']})"]
    wide = max((len(name) for name in record), default=0)
    lines += [f"  {name:{wide}}  {value}" for name, value in record.items() if name not in ("customer_id", "status")]
    if data["keys"] is None:
        return "\n".join([*lines, "  the service does not list keys"])
    lines += ["", f"{len(data['keys'])} keys"]
    for key in data["keys"]:
        state = "active" if key["active"] else "revoked"
        lines.append(f"  {key['key_id']}  {state}  {key['name']}  last used {key['last_used_at'] or 'never'}")
        lines.append(f"    {key['use']}")
        lines += [f"    {source}" for source in key["sources"]]
    return "\n".join(lines)

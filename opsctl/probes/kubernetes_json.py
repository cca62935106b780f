"""Careful access to the API's raw JSON: what is absent, null or of another type reads as empty. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any


def part(obj: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """A nested object, {} where the server left it out."""
    found: Any = obj
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def parts(obj: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """The objects of a list, [] where the server left it out or wrote null."""
    found = obj.get(key)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def texts(obj: Mapping[str, Any], key: str) -> list[str]:
    """The strings of a list."""
    found = obj.get(key)
    return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []


def text(obj: Mapping[str, Any], key: str) -> str:
    """A string, "" where there is none."""
    found = obj.get(key)
    return found if isinstance(found, str) else ""


def number(obj: Mapping[str, Any], key: str, default: int = 0) -> int:
    """A whole number of an object; Go leaves zeros out."""
    value = obj.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53 else default


def moment(value: object) -> datetime | None:
    """A time as the API writes it; None when it is absent or unreadable."""
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return at if at is None or at.tzinfo else at.replace(tzinfo=UTC)


def condition(obj: Mapping[str, Any], type: str) -> dict[str, Any]:
    """A condition of an object's status, {} when it is not there."""
    return next((each for each in parts(part(obj, "status"), "conditions") if each.get("type") == type), {})


def selector_text(selector: Mapping[str, Any]) -> str:
    """A LabelSelector in the form of a query: ``app=api,tier in (a,b)``."""
    told = [f"{key}={value}" for key, value in sorted(part(selector, "matchLabels").items())]
    for each in parts(selector, "matchExpressions"):
        key, values = text(each, "key"), ",".join(texts(each, "values"))
        form = {
            "In": f"{key} in ({values})",
            "NotIn": f"{key} notin ({values})",
            "Exists": key,
            "DoesNotExist": f"!{key}",
        }
        told.append(form.get(text(each, "operator"), ""))
    return ",".join(filter(None, told))


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a LabelSelector matches labels; an empty one matches all."""
    if any(labels.get(key) != value for key, value in part(selector, "matchLabels").items()):
        return False
    for each in parts(selector, "matchExpressions"):
        key, values = text(each, "key"), texts(each, "values")
        holds = {
            "In": labels.get(key) in values,
            "NotIn": labels.get(key) not in values,
            "Exists": key in labels,
            "DoesNotExist": key not in labels,
        }
        if not holds.get(text(each, "operator"), False):
            return False
    return True

"""Vritti's administration: customers, their keys, the budget. JSON errors as the service gives them.

401 without the admin key, 404 for what is not there, 409 for what cannot be any more, 422 for what makes no sense.
"""

from __future__ import annotations

from typing import Any

from opsctl.lab.vritti_app import App
from opsctl.lab.vritti_customers import STATUSES, TIERS
from opsctl.lab.vritti_who import Rejected
from opsctl.lab.web import Answer, Handler, Request

ROOT = "/api/v1/customers/"


def _invalid(field: str, message: str) -> Rejected:
    return Rejected(422, "validation", [{"loc": ["body", field], "msg": message, "type": "value_error"}])


class Admin:
    """The routes; ``budget_route``: whether this build can change its limit (``works``, ``ignored`` or "": cannot)."""

    def __init__(self, app: App, budget_route: str) -> None:
        self._app, self._budget_route = app, budget_route

    def routes(self) -> dict[tuple[str, str], Handler]:
        """Method and path -> handler."""
        app = self._app
        found = {
            ("GET", ROOT): app.measured("customers", self._show),
            ("PATCH", ROOT): app.measured("customers", self._change),
            ("GET", ROOT + "..."): app.measured("keys", self._keys),
            ("POST", ROOT + "..."): app.measured("keys", self._create),
            ("DELETE", ROOT + "..."): app.measured("keys", self._revoke),
            ("GET", "/admin/budget"): app.measured("admin", lambda _: app.meter.budget()),
            ("GET", "/admin/reflection/stats"): app.measured("admin", lambda _: app.meter.stats()),
        }
        if self._budget_route:
            found["PATCH", "/admin/budget"] = app.measured("admin", self._raise)
        return found

    def _customer(self, id: str) -> dict[str, Any]:
        found = self._app.store.customer(id)
        if found is None:
            raise Rejected(404, "", f"Customer {id} not found")
        return found

    def _show(self, request: Request) -> dict[str, Any]:
        self._app.own(request)
        return self._customer(request.tail)

    def _change(self, request: Request) -> dict[str, Any]:
        found = self._customer(request.tail)
        asked = request.json()
        fields: dict[str, str] = {n: str(asked[n]) for n in ("status", "subscription_tier") if n in asked}
        if not fields:
            raise _invalid("status", "at least one field is required")
        for name, allowed in (("status", STATUSES), ("subscription_tier", TIERS)):
            if name in fields and fields[name] not in allowed:
                raise _invalid(name, f"must be one of {', '.join(allowed)}")
        if found["status"] == "deleted":
            raise Rejected(409, "", "Customer is deleted")
        return self._app.store.change(request.tail, fields)

    def _keys(self, request: Request) -> dict[str, Any]:
        customer = self._part(request, "api-keys", 2)[0]
        return {"api_keys": self._app.store.keys_of(customer)}

    def _create(self, request: Request) -> Answer:
        customer = self._part(request, "api-keys", 2)[0]
        if self._customer(customer)["status"] == "deleted":
            raise Rejected(409, "", "Customer is deleted")
        key, record = self._app.store.create(customer, str(request.json().get("name", "")))
        return Answer(201, {"api_key": key, **record})

    def _revoke(self, request: Request) -> Answer:
        customer, _, key_id = self._part(request, "api-keys", 3)
        if not self._app.store.revoke(customer, key_id):
            raise Rejected(404, "", f"API key {key_id} not found")
        return Answer(204)

    def _part(self, request: Request, word: str, length: int) -> list[str]:
        parts = request.tail.split("/")
        if len(parts) != length or parts[1] != word:
            raise Rejected(404, "", "Not Found")
        self._customer(parts[0])
        return parts

    def _raise(self, request: Request) -> dict[str, Any]:
        limit = request.json().get("limit_threshold_usd")
        if not isinstance(limit, int | float) or isinstance(limit, bool) or limit <= 0:
            raise _invalid("limit_threshold_usd", "must be greater than 0")
        if self._budget_route == "works":
            self._app.meter.limit = float(limit)
        return self._app.meter.budget()

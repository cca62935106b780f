"""The JSON Schema of a service profile, for editors: known kinds, units, names of runbooks and endpoints as enums."""

from __future__ import annotations

from typing import Any

import msgspec

from opsctl.services import names
from opsctl.services.model import Profile

DIALECT = "https://json-schema.org/draft/2020-12/schema"
DURATION = r"^0$|^([0-9]+(\.[0-9]+)?(ms|[smhdwy]))+$"


def profile_schema() -> dict[str, Any]:
    """The schema, ready to be written as JSON."""
    made = msgspec.json.schema(Profile)
    parts = made["$defs"]

    def restrict(struct: str, key: str, **schema: Any) -> None:
        properties = parts[struct]["properties"]
        properties[key] = {**{k: v for k, v in properties[key].items() if k in ("default", "description")}, **schema}

    restrict("EndpointSpec", "kind", enum=sorted(names.ENDPOINT_KINDS))
    restrict("Adapter", "kind", enum=list(names.ADAPTER_KINDS))
    restrict("Objective", "kind", enum=list(names.OBJECTIVE_KINDS))
    restrict("Objective", "runbook", anyOf=[{"enum": ["", *names.RUNBOOKS]}, {"type": "string"}])
    restrict("Symptom", "runbook", anyOf=[{"enum": list(names.RUNBOOKS)}, {"type": "string"}])
    restrict(
        "Signal", "unit", anyOf=[{"enum": ["", *names.UNITS]}, {"type": "string", "pattern": f"^{names.UNIT_PATTERN}$"}]
    )
    restrict("Signal", "agg", enum=["max", "min", "sum", "avg"])
    restrict("Band", "for", type="string", pattern=DURATION)
    for key in ("scrape_interval", "window", "direct_pause"):
        restrict("Profile", key, type="string", pattern=DURATION)
    for key, known in (("endpoints", names.ENDPOINT_NAMES), ("signals", names.SIGNAL_ROLES)):
        offered = parts["Profile"]["properties"][key]
        offered["propertyNames"] = {"anyOf": [{"enum": sorted(known)}, {"type": "string"}]}
    kinds = ("quantile", "mean", "share_above", "rate", "increase", "ratio", "gauge", "age", "promql")
    parts["Signal"]["oneOf"] = [{"required": [kind]} for kind in kinds]
    return {"$schema": DIALECT, "title": "opsctl service profile", **made}

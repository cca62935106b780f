"""JSON Schemas for editors, generated from the typed models: probe ids, their parameters and findings become enums."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from opsctl.probes.registry import all_probes
from opsctl.runbooks.model import Runbook

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def runbook_schema(actions: Mapping[str, type[msgspec.Struct]] | None = None) -> dict[str, Any]:
    """The schema of a runbook file, with one branch per probe and action for its parameters.

    ``actions``: action id -> type of its parameters; given by the caller, because nothing that looks knows an action.
    """
    made = msgspec.json.schema(Runbook)
    probes = all_probes()
    definitions = made["$defs"]
    use = definitions["ProbeUse"]
    use["properties"]["probe"] = {"enum": sorted(probes)}
    use["allOf"] = [_branch("probe", probe.id, probe.params, definitions) for probe in probes.values()]
    if actions:
        mitigation = definitions["Mitigation"]
        mitigation["properties"]["action"] = {"enum": sorted(actions)}
        mitigation["allOf"] = [_branch("action", id, actions[id], definitions) for id in sorted(actions)]
    findings = sorted({id for probe in probes.values() for id in probe.emits})
    id_schema = {"anyOf": [{"enum": findings}, {"type": "string", "pattern": r"^local\.[a-z0-9-]+$"}]}
    cause = definitions["CauseSpec"]
    cause["properties"]["confirms"]["items"] = id_schema
    definitions["OkFinding"]["properties"]["ok"] = id_schema
    cause["properties"]["refutes"]["items"] = {"anyOf": [{"$ref": "#/$defs/OkFinding"}, id_schema]}
    return {"$schema": DIALECT, "title": "opsctl runbook", **made}


def _branch(key: str, id: str, params: type[msgspec.Struct], definitions: dict[str, Any]) -> dict[str, Any]:
    """``with`` of one probe or action: its parameters, each also as ``{param: NAME}``."""
    made = msgspec.json.schema(params)
    own = made.get("$defs", {})
    reference = made["$ref"].rpartition("/")[2]
    body = own.pop(reference)
    definitions.update(own)
    parameter = {
        "type": "object",
        "properties": {"param": {"type": "string"}},
        "required": ["param"],
        "additionalProperties": False,
    }
    properties = {name: {"anyOf": [value, parameter]} for name, value in body.get("properties", {}).items()}
    with_schema = {
        "type": "object",
        "properties": properties,
        "required": body.get("required", []) if key == "probe" else [],  # an action's may be given on the command line
        "additionalProperties": False,
    }
    return {
        "if": {"properties": {key: {"const": id}}},
        "then": {"properties": {"with": with_schema}},
    }


def as_text(schema: dict[str, Any]) -> str:
    """A schema as it is written to runbooks/schema/."""
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"

"""A saved plan is as runbooks/schema/plan.json says."""

from __future__ import annotations

import json
from pathlib import Path

from jsonschema import Draft202012Validator

from opsctl.remediation.planfile import save

SCHEMA = Path(__file__).resolve().parents[2] / "runbooks" / "schema" / "plan.json"


def test_a_saved_plan_fits_the_published_schema(tmp_path, world, ana):
    world.make("main", "side", "far")
    save(ana.plan({"but": ("far",)}), tmp_path / "plan.json")
    saved = json.loads((tmp_path / "plan.json").read_text())
    validator = Draft202012Validator(json.loads(SCHEMA.read_text()))
    assert [error.message for error in validator.iter_errors(saved)] == []
    assert [e.message for e in validator.iter_errors({**saved, "proposal": {}})] != []

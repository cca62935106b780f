"""The JSON Schema that editors use accepts the shipped profiles and refuses what the reader refuses."""

import jsonschema
import pytest

from opsctl.config.places import built_in
from opsctl.config.yamlfile import load_yaml
from opsctl.services.find import list_profiles
from opsctl.services.names import RUNBOOKS
from opsctl.services.schema import profile_schema

SCHEMA = profile_schema()


def test_it_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", list_profiles([built_in()]).values(), ids=lambda path: path.stem)
def test_the_shipped_profiles_follow_it(path):
    jsonschema.validate(load_yaml(path)[0].data, SCHEMA)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"service": "x", "titel": "y"},
        {"service": "x", "severities": {"P1": "sev5"}},
        {"service": "x", "window": "5 minutes"},
        {"service": "x", "endpoints": {"app": {"kind": "htp"}}},
        {"service": "x", "signals": {"a": {"unit": "s"}}},
        {"service": "x", "signals": {"a": {"gauge": "g", "rate": "r_total"}}},
        {"service": "x", "signals": {"a": {"gauge": "g", "unit": "secs"}}},
        {"service": "x", "signals": {"a": {"gauge": "g", "agg": "median"}}},
        {"service": "x", "adapters": {"app": {"kind": "magic"}}},
    ],
)
def test_mistakes_are_seen_while_typing(wrong):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, SCHEMA)


def test_known_names_are_offered():
    objective = SCHEMA["$defs"]["Objective"]["properties"]["runbook"]["anyOf"]
    assert objective[0]["enum"] == ["", *RUNBOOKS]
    assert "latency_p99" in SCHEMA["$defs"]["Profile"]["properties"]["signals"]["propertyNames"]["anyOf"][0]["enum"]

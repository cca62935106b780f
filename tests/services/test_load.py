"""Finding, reading and overriding profiles."""

import msgspec
import pytest

from opsctl.config.model import UnitAdapter
from opsctl.config.places import built_in
from opsctl.config.settings import ServiceOverride
from opsctl.errors import ConfigError, UsageError
from opsctl.services.load import apply_override, list_profiles, load_profile
from opsctl.services.model import Adapter

MINE = """\
service: mine
severities: {bad: sev2}
signals:
  latency_p99: {quantile: 0.99, histogram: http_seconds, unit: s}
  long: {rate: x_total, window: 15m}
objectives:
  - id: slow
    runbook: high-latency
    signal: latency_p99
    bands:
      - {above: 100ms, for: 5m, severity: bad}
  - {id: now, runbook: high-latency, signal: long, bands: [{above: 1, severity: bad}]}
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "services").mkdir()
    (tmp_path / "services" / "mine.yaml").write_text(MINE)
    return tmp_path


def broken(folder, old, new):
    path = folder / "services" / "mine.yaml"
    path.write_text(MINE.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        load_profile("mine", [folder])
    assert caught.value.code == 78
    return caught.value


def test_the_five_built_in_profiles_load():
    assert list(list_profiles([built_in()])) == ["agro", "amas", "insa", "threads", "vritti"]
    for name in list_profiles([built_in()]):
        assert load_profile(name, [built_in()]).service == name


def test_an_own_profile_is_found_first(folder):
    (folder / "services" / "vritti.yaml").write_text("service: vritti\ntitle: my own\n")
    assert load_profile("vritti", [folder, built_in()]).title == "my own"
    assert load_profile("mine", [folder, built_in()]).signals["latency_p99"].quantile == 0.99


def test_a_misspelt_service_is_a_usage_error_with_the_nearest_name(folder):
    with pytest.raises(UsageError, match="there is no service") as caught:
        load_profile("vriti", [folder, built_in()])
    assert caught.value.code == 64
    assert caught.value.remedy == "Did you mean vritti?"


def test_a_folder_without_services_is_no_mistake(tmp_path):
    assert list_profiles([tmp_path, tmp_path / "none"]) == {}


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("signal: latency_p99", "signal: latency_p9", 9, "there is no signal latency_p9. Did you mean latency_p99"),
        ("above: 100ms", "above: 5%", 11, "is in ratio, where s is expected"),
        ("severity: bad}\n  -", "severity: worst}\n  -", 11, "there is no severity worst"),
        ("for: 5m", "for: 5 minutes", 11, "is not a duration"),
        ("quantile: 0.99", "quantile: 99", 4, "not between 0 and 1"),
        ("unit: s", "unit: secs", 4, "unknown unit secs"),
        ("{rate: x_total, window: 15m}", '{promql: "sum(rate(x[5m])"}', 5, "the PromQL does not parse"),
        ("id: now", "id: slow", 12, "objective slow is there twice"),
        ("window: 15m", "window: 30s", 5, "fewer than four scrapes of 15s"),
        ("service: mine", "service: other", 1, "this file holds the service 'other'"),
    ],
)
def test_what_would_mislead_a_diagnosis_is_refused_with_its_line(folder, old, new, line, says):
    error = broken(folder, old, new)
    assert says in error.says
    assert error.place.endswith(f"mine.yaml:{line}")


def test_a_misspelt_key_is_refused_with_the_nearest_one(folder):
    error = broken(folder, "histogram:", "histogramm:")
    assert "histogram" in error.sentence()
    assert error.place.endswith("mine.yaml:4")


def test_an_empty_override_changes_nothing(folder):
    profile = load_profile("mine", [folder])
    assert apply_override(profile, ServiceOverride()) is profile


def test_the_context_overrides_windows_durations_labels_and_severities(folder):
    profile = load_profile("mine", [folder])
    changed = apply_override(
        profile,
        ServiceOverride(
            window="15s",
            for_="10s",
            scrape_interval="1s",
            direct_pause="2s",
            labels={"job": "m"},
            severities={"bad": "sev1"},
        ),
    )
    assert (changed.window, changed.scrape_interval, changed.direct_pause) == ("15s", "1s", "2s")
    assert changed.signals["long"].window == ""
    assert changed.objectives[0].bands[0].for_ == "10s"
    assert changed.objectives[1].bands[0].for_ == "0s"  # breaks at once, and still does
    assert changed.prometheus_labels == {"job": "m"}
    assert changed.severities == {"bad": "sev1"}
    assert profile.objectives[0].bands[0].for_ == "5m"


def test_the_contexts_adapters_take_the_place_of_the_profiles():
    mine = ServiceOverride(adapters={"kyrodb": UnitAdapter(kind="systemd", unit="kyrodb@text.service", user=True)})
    before = load_profile("vritti", [built_in()])
    found = apply_override(before, mine).adapters
    assert found["kyrodb"] == Adapter(kind="systemd", unit="kyrodb@text.service", user=True)
    assert found["app"] == before.adapters["app"]
    for wrong in ({"kind": "command"}, {"kind": "systemd"}, {"kind": "systemd", "unit": "-H"}, {"kind": "screen"}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(wrong, UnitAdapter)

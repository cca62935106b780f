"""The lint of profiles: errors with file and line, warnings, and the list of what is assumed."""

import pytest

from opsctl.config.places import built_in
from opsctl.errors import UsageError
from opsctl.services.lint import lint_all
from opsctl.services.load import load_profile
from opsctl.services.start import profile_start

SYSTEMS = ("agro", "amas", "threads", "insa", "vritti")

MINE = """\
service: mine
severities: {bad: sev2, worse: sev1}
endpoints:
  metrics: {kind: metrics, url: "http://localhost:1/metrics"}
signals:
  error_ratio: {ratio: {of: e_total, over: r_total}}
objectives:
  - id: errors
    runbook: high-error-rate
    signal: error_ratio
    bands: [{above: 5%, severity: bad}]
"""


def lint(tmp_path, old="", new="", *, add="", runbooks=()):
    (tmp_path / "services").mkdir(exist_ok=True)
    text = MINE.replace(old, new) if old else MINE
    assert not old or text != MINE
    (tmp_path / "services" / "mine.yaml").write_text(text + add)
    return [(p.level, p.place.rpartition(":")[2], p.says) for p in lint_all([tmp_path], (), runbooks)]


def only(found):
    assert len(found) == 1, found
    return found[0]


def test_a_good_profile_has_no_problem(tmp_path):
    assert lint(tmp_path) == []


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_built_in_profiles_have_no_error(system):
    problems = lint_all([built_in()], [system])
    assert [p for p in problems if p.level == "error"] == []
    assert {p.service for p in problems} == {system}
    assert all(p.place.rpartition(":")[2].isdigit() for p in problems)


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_assumed_binding_is_listed_at_its_line(system):
    lines = (built_in() / "services" / f"{system}.yaml").read_text(encoding="utf-8").splitlines()
    listed = [p for p in lint_all([built_in()], [system]) if p.level == "assumed"]
    assert len(listed) == sum("assumed: true" in line for line in lines if not line.startswith("#"))
    assert len({p.place for p in listed}) == len(listed)


def test_the_known_traps_of_the_sources_are_warned_of():
    """B-03: $5 a month is under AGRO's healthy spend. F 2: two alerts of INSA have no number. F 9: placeholders."""
    says = [p.says for p in lint_all([built_in()]) if p.level == "warning"]
    assert any("month-cost-warning" in s and "7.2 to 36" in s for s in says)
    assert sum("no bound is given for" in s and ("eviction" in s or "retry_rate" in s) for s in says) == 2
    assert any(s.startswith("contacts.platform_lead is a placeholder") for s in says)
    assert sum("no escalation" in s for s in says) == 2


def test_an_unknown_service_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError):
        lint_all([tmp_path, built_in()], ["vriti"])


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("signal: error_ratio", "signal: error_rate", 10, "there is no signal error_rate"),
        ("severity: bad}]", "severity: bad}, {above: 6%, severity: worse}]", 11, "bands 1 and 2 share values"),
        ("above: 5%, ", "", 11, "the band has no bound"),
        (", severity: bad}]", "}]", 11, "the band has no severity"),
        ("kind: metrics", "kind: metric", 4, "unknown kind metric. Did you mean metrics"),
        ("kind: metrics", "kind: http", 4, "endpoint metrics must be of kind metrics, not http"),
        ("http://localhost:1/metrics", "localhost:1", 4, "the url must begin with http://"),
        ("http://localhost", "http://u:pw@localhost", 4, "a password does not belong into a profile"),
        ("error_ratio: {", "Error Ratio: {", 6, "names are written in a-z"),
        ("{of: e_total", "{of: 'e total'", 6, "is not a metric name"),
        ("above: 5%", "above: 5ms", 11, "is in s, where ratio is expected"),
        ("runbook: high-error-rate", "runbook: ''", 8, "decides no runbook"),
        ("id: errors", "id: errors\n    kind: alarm", 9, "unknown kind alarm"),
    ],
)
def test_errors(tmp_path, old, new, line, says):
    found = lint(tmp_path, old, new)
    assert any(level == "error" and says in text for level, _, text in found), found
    where = next(place for level, place, text in found if level == "error" and says in text)
    assert abs(int(where) - line) <= 1


@pytest.mark.parametrize(
    ("add", "says"),
    [
        ("logs: {}\nsymptoms: [{id: s, runbook: high-error-rate, log: app}]\n", "there is no log app"),
        ("symptoms: [{id: s, runbook: high-error-rate, pattern: '('}]\n", "not a regular expression"),
        ("dependencies: {db: {kind: postgres, endpoints: [postgres]}}\n", "there is no endpoint postgres"),
        ("adapters: {app: {kind: supervisord, unit: x}}\n", "unknown kind supervisord"),
        ("adapters: {app: {kind: command}}\n", "a command needs argv"),
        ("escalation: [{after: soon, to: me}]\n", "is not a duration"),
        ("escalation: [{after: 5m, to: me, severity: P9}]\n", "there is no severity P9"),
        ("baselines: {error_ratio: [2, 1]}\n", "low 2 is above high 1"),
        ("cache: {'a:': forever}\n", "is not a duration"),
        ("window: 30s\n", "fewer than four scrapes"),
    ],
)
def test_errors_of_other_parts(tmp_path, add, says):
    found = lint(tmp_path, add=add)
    assert any(level == "error" and says in text for level, _, text in found), found


@pytest.mark.parametrize(
    ("add", "says"),
    [
        ("baselines: {error_ratio: [0, 0.08]}\n", "inside or under the healthy range of error_ratio, 0 to 0.08"),
        ("baselines: {speed: [0, 1]}\n", "there is no such signal"),
        ("contacts: {lead: '[email/phone]'}\nescalation: [{after: 5m, to: lead}]\n", "contacts.lead is a placeholder"),
        ("contacts: {lead: ana}\n", "there is no escalation"),
        ("categories: {bad: {severity: sev2}}\nescalation: [{after: 5m, to: x}]\n", "category bad has no channel"),
        ("symptoms: [{id: s, runbook: high-error-rate, signal: error_ratio}]\n", "no bound is given for error_ratio"),
    ],
)
def test_warnings(tmp_path, add, says):
    level, _, text = only(lint(tmp_path, add=add))
    assert level == "warning"
    assert says in text


def test_a_baseline_below_the_bound_is_fine(tmp_path):
    assert lint(tmp_path, add="baselines: {error_ratio: [0, 0.05]}\n") == []


def test_unknown_runbooks_are_warned_of_unless_they_exist(tmp_path):
    level, _, says = only(lint(tmp_path, "high-error-rate", "high-eror-rate"))
    assert level == "warning"
    assert "Did you mean high-error-rate?" in says
    assert lint(tmp_path, "high-error-rate", "my-own-runbook", runbooks=["my-own-runbook"]) == []


def test_holes_and_inverted_severities_are_warned_of(tmp_path):
    bands = "{above: 5%, up_to: 6%, severity: worse}, {above: 7%, severity: bad}"
    found = [text for _, _, text in lint(tmp_path, "{above: 5%, severity: bad}", bands)]
    assert any("no band holds values between 0.06 and 0.07" in text for text in found)
    assert any("the worse value has the milder severity bad" in text for text in found)


def test_values_too_low_and_too_high_leave_a_healthy_middle(tmp_path):
    assert lint(tmp_path, "{above: 5%, severity: bad}", "{above: 5%, severity: bad}, {below: 1%, severity: bad}") == []


def test_broken_yaml_and_wrong_types_are_one_problem_each(tmp_path):
    assert only(lint(tmp_path, "severities: {", "severities: {{"))[0] == "error"
    found = lint(tmp_path, "bad: sev2", "bad: sev9")
    assert found == [("error", "2", found[0][2])]
    assert "sev1" in found[0][2] or "sev9" in found[0][2] or "not" in found[0][2]


def test_an_empty_file_is_an_error(tmp_path):
    (tmp_path / "services").mkdir()
    (tmp_path / "services" / "none.yaml").write_text("# nothing\n")
    assert [p.says for p in lint_all([tmp_path])] == ["the file is empty"]


def test_a_start_lints_clean_and_loads(tmp_path):
    (tmp_path / "services").mkdir()
    text = profile_start("checkout-api", "https://checkout:9000/metrics", 'The "checkout": fast')
    (tmp_path / "services" / "checkout-api.yaml").write_text(text)
    assert len(text.splitlines()) == 20
    assert lint_all([tmp_path]) == []
    profile = load_profile("checkout-api", [tmp_path])
    assert (len(profile.signals), len(profile.objectives)) == (2, 1)
    assert profile.endpoints["metrics"].url == "https://checkout:9000/metrics"


@pytest.mark.parametrize("name", ["", "Up", "a/b", "../x", "a b", "-a", "x" * 64])
def test_names_that_no_profile_may_have(name):
    with pytest.raises(UsageError):
        profile_start(name, "http://localhost/metrics")


@pytest.mark.parametrize("url", ["localhost:1", "ftp://x", 'http://x"\nfoo: bar', "http://u:p@x/metrics"])
def test_addresses_that_no_profile_may_have(url):
    with pytest.raises(UsageError):
        profile_start("mine", url)

"""A file of schedules: each mistake is told with its line, and what it means is what was written."""

import pytest

from opsctl.errors import ConfigError
from opsctl.silences.schedule_file import load_schedules, schedules_schema

GOOD = """\
name: platform
schedules:
  - id: db-backup
    matchers: [service=orchestrator, 'alertname=~"Pg.*"']
    comment: Nightly backup
    ticket: OPS-12
    zone: Europe/Berlin
    every: week
    on: [sunday]
    at: "02:30"
    lasts: 2h
    except: [2026-12-27]
  - id: patch-day
    matchers: service=orchestrator
    comment: Patches
    zone: UTC
    rrule: FREQ=MONTHLY;BYDAY=2TU
    start: 2026-01-13 20:00
    lasts: 90m
"""


def written(tmp_path, text):
    path = tmp_path / "silence-schedules.yaml"
    path.write_text(text)
    return path


def test_both_ways_to_say_when(tmp_path):
    one, other = load_schedules(written(tmp_path, GOOD)).all
    assert [m.text() for m in one.matchers] == ['service="orchestrator"', 'alertname=~"Pg.*"']
    assert (one.zone.name, str(one.times.length), one.ticket) == ("Europe/Berlin", "2:00:00", "OPS-12")
    assert other.times.rule.text == "FREQ=MONTHLY;BYDAY=2TU"


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("id: patch-day", "id: db-backup", 13, "db-backup is there twice"),
        ("id: patch-day", "id: Patch Day", 13, "is not an id"),
        ("name: platform", "name: a/b", 1, "is not a name"),
        ("Europe/Berlin", "Europe/Berlin2", 7, "is not a time zone"),
        ("[sunday]", "[sonntag]", 8, "is not a day of the week"),
        ('"02:30"', '"25:30"', 10, "is not a time of day"),
        ("lasts: 2h", "lasts: 0s", 11, "not a minute or more"),
        ("2026-12-27", "2026-13-27", 12, "is not a date"),
        ("Pg.*", "Pg[", 4, "regular expression"),
        ("BYDAY=2TU", "BYDAY=2XX", 17, "BYDAY=2XX is not a day"),
        ("    start: 2026-01-13 20:00\n", "", 17, "needs start"),
        ("Nightly backup", "'x [schedule:platform/y'", 5, "knows its own silences"),
        ("every: week", "every: 2 weeks", 8, "needs `from`"),
        ("ticket:", "tiket:", 6, "tiket"),
        ("lasts: 90m", "lasts: 90", 19, "lasts"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line(tmp_path, old, new, line, says):
    path = written(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(ConfigError) as told:
        load_schedules(path)
    assert told.value.place.endswith(f"silence-schedules.yaml:{line}"), told.value.sentence()
    assert says in told.value.sentence()


def test_the_schema_takes_the_example_and_refuses_what_the_loader_refuses():
    import jsonschema
    import yaml

    check = jsonschema.Draft202012Validator(schedules_schema())
    data = yaml.load(GOOD.replace("on:", '"on":'), Loader=yaml.BaseLoader)
    assert list(check.iter_errors(data)) == []
    data["schedules"][0]["lasts"] = "soon"
    assert [list(error.path) for error in check.iter_errors(data)] == [["schedules", 0, "lasts"]]

"""Matchers are read as amtool reads them, and judged as Alertmanager judges them."""

import pytest

from opsctl.errors import UsageError
from opsctl.silences.matcher import Matcher, canonical, matches_all, parse, parse_all


def one(text):
    (matcher,) = parse_all([text])
    return matcher.text()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("HighLatency", 'alertname="HighLatency"'),
        ("service=api", 'service="api"'),
        ("service!=api", 'service!="api"'),
        ("service=~a|b", 'service=~"a|b"'),
        ("service!~a.*", 'service!~"a.*"'),
        ('service="b c"', 'service="b c"'),
        ("service=b c", 'service="b c"'),
        ("service= b", 'service="b"'),
        ("service==b", 'service="=b"'),
        ("service=b,c=d", 'service="b,c=d"'),
        ("service=", 'service=""'),
        ('service="x\\ny"', 'service="x\\ny"'),
        ('service="say \\"no\\""', 'service="say \\"no\\""'),
        ("service='b'", "service=\"'b'\""),
        ('"föö"="b"', '"föö"="b"'),
        ('{service="a"}', 'service="a"'),
    ],
)
def test_what_is_typed_is_what_is_meant(typed, meant):
    assert one(typed) == meant


def test_several_in_one_word_as_promql_has_them():
    assert [m.text() for m in parse_all(['{a="1", b=~"2|3",}'])] == ['a="1"', 'b=~"2|3"']
    assert [m.text() for m in parse_all(['a="1",b!="2"'])] == ['a="1"', 'b!="2"']


def test_only_the_first_bare_word_is_an_alert():
    assert [m.text() for m in parse_all(["Disk", "host=db1"])] == ['alertname="Disk"', 'host="db1"']
    with pytest.raises(UsageError, match="'Disk' is not a matcher"):
        parse_all(["host=db1", "Disk"])


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("team=~[", "not one for Alertmanager: missing ]"),  # amtool takes it for an alert of that name
        ("team=~a(?=b)", "not one for Alertmanager"),
        ("föö=b", "not a label name"),
        ("1a=b", "not a label name"),
        ('team="b', "does not close it"),
        ('team=a"b', "in the middle of a value"),
        ("{a=b", "does not close it"),
        ("=b", "not a matcher"),
        ("", "is empty"),
        ("a=" + "x" * 5000, "5000 characters long"),
    ],
)
def test_what_is_not_a_matcher_is_refused_in_one_sentence(typed, says):
    with pytest.raises(UsageError) as refused:
        parse_all([typed])
    assert says in refused.value.sentence()
    assert "\n" not in refused.value.sentence()


def test_a_missing_label_is_the_empty_string_and_regular_expressions_match_whole_values():
    assert parse('team!="x"').matches({})
    assert parse("team=~.*").matches({})
    assert not parse("team=~.+").matches({})
    assert parse("team=").matches({})
    assert not parse("team=~web").matches({"team": "web-1"})
    assert not parse("team=~web.*").matches({"team": "web\n1"}), "as measured with Alertmanager 0.25"
    assert parse("team=~(?s)web.*").matches({"team": "web\n1"})
    assert matches_all(parse_all(["a=1", "b!=2"]), {"a": "1"})


@pytest.mark.parametrize("typed", ["a=~.+", "a=~.*", 'a!="never"', "a!~nothing", "a=~(?s).+", "a=~[^!]+", "a!="])
def test_a_matcher_that_says_nothing_is_known_as_such(typed):
    assert parse(typed).says_nothing


@pytest.mark.parametrize("typed", ["a=1", "a=~1|2", "a=~web-.*", "a!~.*", "a="])
def test_a_matcher_that_says_something(typed):
    assert not parse(typed).says_nothing


def test_order_and_repetition_do_not_make_another_silence():
    assert canonical(parse_all(["a=1", "b=2", "a=1"])) == canonical(parse_all(["b=2", "a=1"]))
    assert Matcher(name="a", value="1") in canonical(parse_all(["a=1"]))

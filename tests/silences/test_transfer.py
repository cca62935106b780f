"""Files of silences: read whole before anything is sent, brought back once, never twice."""

import json
from datetime import timedelta

import pytest

from opsctl.errors import BadData
from opsctl.silences.book import Book
from opsctl.silences.transfer import decode, downgraded, encode, plan
from tests.silences.sample import NOW, known


def items(*found):
    return decode(encode(found), "test")


def what(items, *there):
    return [step.what for step in plan(items, Book(tuple(there), 0.0, ()), NOW)]


def test_what_is_written_is_read_back():
    one = known(
        ["service=~a|b", "severity!=critical"], comment='said "so"\n\u001b[31m', annotations={"ticket": "OPS-7"}
    )
    (item,) = items(one)
    assert item.comment == one.silence.comment
    assert item.annotations == {"ticket": "OPS-7"}
    assert [m.text() for m in item.matchers] == ['service=~"a|b"', 'severity!="critical"']
    (row,) = json.loads(encode([one]))
    assert row["startsAt"] == "2026-11-21T02:07:00.000Z"
    assert row["status"] == {"state": "active"}
    assert "annotations" not in json.loads(encode([known()]))[0], "as servers before 0.32 print it"


def test_each_is_done_once():
    here = known()
    assert what(items(here), here) == ["there"]
    assert what(items(here), known(id="another")) == ["there"], "the same content under another id"
    assert what(items(here)) == ["create"]
    assert what(items(here), known(state="expired")) == ["create"]
    assert what(items(known(end=7200)), here) == ["extend"]
    assert what(items(known(end=600)), here) == ["there"], "never shorter"
    assert what(items(known(["service=db"])), here) == ["create"], "other matchers under an id would end what is there"
    assert what(items(known(end=-60, state="expired")), here) == ["ended"]


def test_annotations_go_into_the_comment_where_they_would_be_lost():
    (item,) = items(known(annotations={"ticket": "OPS-7", "team": "web"}))
    assert downgraded(item) == "deploy [ticket=OPS-7, team=web]"
    assert what([item], known(comment="deploy [ticket=OPS-7, team=web]", id="x")) == ["there"]


GOOD = json.loads(encode([known()]))[0]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not JSON"),
        (b"[{", "not JSON"),
        (b'{"a": 1}', "not a list of silences"),
        (b'[{"id": "x"}]', "missing required field"),
        (json.dumps([GOOD | {"startsAt": "soon"}]).encode(), "startsAt"),
        (
            json.dumps([GOOD, GOOD | {"endsAt": "2026-11-21T01:00:00Z"}]).encode(),
            "silence 2 of 2 ends before it begins",
        ),
        (json.dumps([GOOD | {"endsAt": "2026-11-21T04:00:00"}]).encode(), "a time without a zone"),
        (json.dumps([GOOD | {"matchers": []}]).encode(), "no matcher that wants a value"),
        (
            json.dumps([GOOD | {"matchers": [{"name": "a", "value": "[", "isRegex": True}]}]).encode(),
            "regular expression",
        ),
    ],
)
def test_a_bad_file_is_named_with_its_place(body, says):
    with pytest.raises(BadData) as wrong:
        decode(body, "file.json")
    assert says in wrong.value.sentence()
    assert "file.json" in wrong.value.sentence()


def test_a_time_in_another_zone_is_the_same_moment():
    (item,) = decode(json.dumps([GOOD | {"endsAt": "2026-11-21T05:07:00+01:00"}]).encode(), "test")
    assert item.ends_at == NOW + timedelta(hours=1)

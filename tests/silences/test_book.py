"""One list of a cluster's silences: newest word wins, who lacks one is named, ids and matchers find what is meant."""

import pytest

from opsctl.errors import UsageError
from opsctl.silences.book import Book, chosen, in_order, named, read
from opsctl.silences.matcher import parse_all
from tests.silences.sample import ID, NOW, known, members_of

OTHER = "5f0c9999-8c1f-4a6e-9d3c-0123456789ab"


def book(*found):
    return Book(tuple(found), 0.0, ())


def test_what_ends_first_comes_first_and_what_has_ended_last():
    soon, late = known(end=60, id="a"), known(end=600, id="b")
    pending, ended = known(state="pending", start=60, id="c"), known(state="expired", end=-60, id="d")
    assert [one.id for one in in_order([ended, late, pending, soon])] == ["a", "b", "c", "d"]


def test_filters_hold_for_matchers_as_labels_as_amtool_does():
    found = book(known(id="a"), known(["service=~api|db", "severity=warning"], id="b"), known(["HighLatency"], id="c"))
    select = lambda *words, **more: [one.id for one in chosen(found, filters=parse_all(words), **more)]  # noqa: E731
    assert select("service=api") == ["a"]
    assert select("service=~.+") == ["a", "b"]
    assert select("HighLatency") == ["c"]
    assert select("severity!=warning") == ["a", "c"]
    assert select(author="somebody") == []
    assert select(states=("expired",)) == []
    assert select(ending_before=NOW) == []


def test_the_beginning_of_an_id_is_enough_if_it_is_the_only_one():
    found = book(known(), known(id=OTHER), known(id="77777777-0000-4000-8000-000000000000", state="expired"))
    assert [one.id for one in named(found, ["5f0c2b", "7777"])] == [ID, "77777777-0000-4000-8000-000000000000"]
    assert [one.id for one in named(found, [ID, "5f0c2b1e"])] == [ID], "each once"
    with pytest.raises(UsageError, match="2 silences begin with 5f0c"):
        named(found, ["5f0c"])
    with pytest.raises(UsageError, match="no silence's id begins with abcd"):
        named(found, ["abcd"])
    with pytest.raises(UsageError, match="there is no silence 0a5d6a0e-"):
        named(found, ["0a5d6a0e-8f2e-4b0a-9d0e-000000000000"])
    with pytest.raises(UsageError, match="is not the id of a silence"):
        named(found, [ID, "service=api"])
    with pytest.raises(UsageError, match="no silence in force has service=db"):
        named(found, ["service=db"])


@pytest.mark.needs("alertmanager")
def test_a_member_that_lacks_a_silence_or_does_not_answer_is_named(alertmanagers, tmp_path):
    from tests.servers.alertmanager import start_alertmanager

    stranger = start_alertmanager(tmp_path / "alone")
    try:
        id = alertmanagers[0].silence({"service": "split"})
        found = read(members_of(alertmanagers[0].url, stranger.url, "http://127.0.0.1:9"))
    finally:
        stranger.stop()
    (one,) = [known for known in found.all if known.id == id]
    assert one.lacking == (stranger.url,)
    assert [failed.address for failed in found.failed] == ["http://127.0.0.1:9"]

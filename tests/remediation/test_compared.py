"""Before and after in one word, by table and by generated findings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsctl.model import Bound, Finding
from opsctl.remediation.compared import compare


def f(state, measured=None, *, id="a", threshold=100.0, side="above", says="", from_="", bounds=True):
    return Finding(
        id=id,
        state=state,
        says=says or f"{id} {measured}",
        measured=measured,
        threshold=threshold,
        threshold_from=from_,
        reason="timeout" if state == "unknown" else None,
        bounds=(Bound(value=threshold, side=side),) if bounds and threshold is not None else (),
    )


@pytest.mark.parametrize(
    ("before", "after", "word"),
    [
        ([f("breach", 200)], [f("ok", 90)], "fixed"),
        ([f("breach", 200)], [f("breach", 150)], "improved"),
        ([f("breach", 200)], [f("breach", 195)], "no-effect"),  # less than a tenth of the way
        ([f("breach", 200)], [f("breach", 190)], "improved"),
        ([f("breach", 200)], [f("breach", 205)], "no-effect"),
        ([f("breach", 200)], [f("breach", 211)], "worse"),
        ([f("breach", 200)], [f("unknown")], "not-verified"),
        ([f("breach", 200)], [], "not-verified"),
        ([f("breach", 20, side="below")], [f("breach", 60, side="below")], "improved"),
        ([f("breach", 20, side="below")], [f("breach", 5, side="below")], "worse"),
        ([f("breach", 20, bounds=False)], [f("breach", 5, bounds=False)], "worse"),  # the side shows in the number
        ([f("breach", threshold=None)], [f("breach", threshold=None)], "no-effect"),
        ([f("breach", 100)], [f("breach", 105)], "no-effect"),  # at the bound itself: a tenth of the bound
        ([f("breach", 100)], [f("breach", 120)], "worse"),
        # the bound of a milder band is not a smaller distance
        ([f("breach", 120)], [f("breach", 70, threshold=50.0)], "improved"),
        # several
        ([f("breach", 9, id="a"), f("breach", 9, id="b")], [f("ok", id="a"), f("ok", id="b")], "fixed"),
        ([f("breach", 200), f("breach", 200, id="b")], [f("ok", 1), f("breach", 200, id="b")], "improved"),
        ([f("breach", 200), f("breach", 200, id="b")], [f("ok", 1), f("breach", 300, id="b")], "worse"),
        ([f("breach", 200), f("ok", 1, id="b")], [f("ok", 1), f("breach", 300, id="b")], "worse"),
        ([f("breach", 200), f("unknown", id="b")], [f("ok", 1), f("breach", 300, id="b")], "improved"),
        ([f("breach", 200), f("breach", 2, id="b")], [f("ok", 1), f("unknown", id="b")], "not-verified"),
        ([f("breach", 200), f("breach", 2, id="b")], [f("ok", 1)], "not-verified"),
        # two objectives under one id
        (
            [f("breach", 200, from_="THR-1"), f("ok", 1, from_="THR-2")],
            [f("ok", 1, from_="THR-1"), f("breach", 300, from_="THR-2")],
            "worse",
        ),
        ([f("breach", 200, from_="THR-1"), f("ok", 1, from_="THR-2")], [f("ok", 1, from_="THR-2")], "not-verified"),
    ],
)
def test_one_word(before, after, word):
    wanted = tuple(dict.fromkeys(finding.id for finding in before))
    assert compare(wanted, before, after).word == word


def test_it_says_the_numbers():
    said = compare(("a",), [f("breach", 0.91, says="p99 910 ms")], [f("ok", 0.084, says="p99 84 ms")])
    assert said.says == "p99 84 ms (before: 0.91)"
    assert compare(("b",), [], []).says == "could not be told: b was not looked at"


findings = st.builds(
    f,
    st.sampled_from(["ok", "breach", "unknown"]),
    st.none() | st.floats(0, 1000),
    id=st.sampled_from("abc"),
    side=st.sampled_from(["above", "below"]),
)


@given(st.lists(findings, max_size=5), st.lists(findings, max_size=5), st.sets(st.sampled_from("abc"), min_size=1))
def test_fixed_is_never_said_of_what_is_broken_or_not_known(before, after, wanted):
    word = compare(tuple(wanted), before, after).word
    seen = [finding for finding in after if finding.id in wanted]
    if word == "fixed":
        assert all(finding.state == "ok" for finding in seen)
        assert {finding.id for finding in seen} == wanted
    if word in ("improved", "no-effect"):
        assert not any(finding.state == "unknown" for finding in seen)
        assert any(finding.state == "breach" for finding in seen)


@given(st.lists(findings, min_size=1, max_size=5))
def test_nothing_changed_is_neither_better_nor_worse(before):
    wanted = tuple(dict.fromkeys(finding.id for finding in before))
    assert compare(wanted, before, before).word in ("fixed", "no-effect", "not-verified")

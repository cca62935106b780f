"""A misspelt name gets the name that was meant, or none when nothing is close."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsctl.errors import UsageError
from opsctl.nearest import nearest, quoted, suggestion, unknown_name

SERVICES = ["agro", "amas", "insa", "threads", "vritti"]
RUNBOOKS = ["high-latency", "high-error-rate", "kyrodb-down", "db-pool-exhaustion"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("vriti", "vritti"),
        ("VRITTI", "vritti"),
        ("virtti", "vritti"),  # two neighbours swapped
        ("thread", "threads"),
        ("insa ", "insa"),
        ("agr", "agro"),
        ("postgres", None),
        ("", None),
        ("x", None),
        ("v" * 5000, None),
    ],
)
def test_service_names(typed: str, meant: str | None) -> None:
    assert nearest(typed, SERVICES) == meant


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("high_latency", "high-latency"),
        ("high latency", "high-latency"),
        ("latency", "high-latency"),  # a whole part of exactly one name
        ("high", None),  # a part of two
        ("db-pool", "db-pool-exhaustion"),
        ("kyrodb", "kyrodb-down"),
    ],
)
def test_parts_and_beginnings(typed: str, meant: str | None) -> None:
    assert nearest(typed, RUNBOOKS) == meant


def test_unknown_name_suggests_and_exits_64() -> None:
    error = unknown_name("service", "vriti", SERVICES)
    assert isinstance(error, UsageError)
    assert error.code == 64
    assert error.sentence() == 'there is no service "vriti". Did you mean vritti?'


def test_unknown_name_lists_what_there_is() -> None:
    assert unknown_name("service", "zzz", SERVICES).sentence() == (
        'there is no service "zzz". Known: agro, amas, insa, threads, vritti.'
    )
    assert unknown_name("context", "lab", []).sentence() == 'there is no context "lab". No context is defined.'


def test_long_lists_are_cut() -> None:
    assert suggestion("zzz", [f"name-{i:02}" for i in range(40)]).endswith("name-11 and 28 more.")


def test_names_from_outside_are_made_safe_to_show() -> None:
    assert quoted("a\x1b[31mb\n") == '"a?[31mb?"'
    assert quoted("a" * 500) == '"' + "a" * 64 + '…"'


@given(st.lists(st.text(min_size=1, max_size=30), min_size=1, max_size=20), st.text(max_size=30))
def test_the_answer_is_always_a_known_name(names: list[str], typed: str) -> None:
    assert nearest(typed, names) in {*names, None}


@given(st.from_regex(r"[a-z]{4,12}(-[a-z]{4,8})?", fullmatch=True), st.data())
def test_one_slip_in_a_lone_name_is_found(name: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(name) - 1))
    assert nearest(name[:at] + name[at + 1 :], [name]) == name

"""YAML is read strictly: what surprises people is text or refused, and nothing can blow up."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsctl.config.yamltext import parse
from opsctl.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("off", "off"),
        ("yes", "yes"),
        ("NO", "NO"),  # Norway
        ("2026-11-21", "2026-11-21"),
        ("12:30:00", "12:30:00"),
        ("0600", "0600"),
        ("0o600", 0o600),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("12", 12),
        ("-3", -3),
        ("0.5", 0.5),
        ("1e3", 1000.0),
        (".inf", math.inf),
        ("5%", "5%"),
        ('"12"', "12"),
        ("'true'", "true"),
        ("!!str 12", "12"),
        ("|\n  a\n  b\n", "a\nb\n"),
        ("[a, 1, {b: c}]", ["a", 1, {"b": "c"}]),
    ],
)
def test_values(text: str, value: Any) -> None:
    assert parse(f"key: {text}", "f").data == {"key": value}


def test_lines_of_keys_and_items() -> None:
    document = parse("# comment\na:\n  b: 1\n  c:\n    - x\n    - {y: z}\n", "f")
    assert document.lines == {
        ("a",): 2,
        ("a", "b"): 3,
        ("a", "c"): 4,
        ("a", "c", 0): 5,
        ("a", "c", 1): 6,
        ("a", "c", 1, "y"): 6,
    }
    assert document.line(("a", "c", 1, "nothing", "here")) == 6
    assert document.line(("nothing",)) == 1


@pytest.mark.parametrize("text", ["", "   \n", "# only a comment\n", "---\n", "~"])
def test_nothing_is_nothing(text: str) -> None:
    assert parse(text, "f").data is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: 1\nb: 2\na: 3", 'f:3: the key "a" is given twice, first in line 1. Keep one.'),
        ("a:\n\tb: 1", "f:2: not valid YAML: a tab indents this line, where YAML wants spaces"),
        (
            "a: b: c",
            'f:1: not valid YAML: a second ": " on the line, or a wrong indent; put text that holds ": " in quotes',
        ),
        ("a: [1,\nb: 2", "f:3: not valid YAML: did not find expected ',' or ']'"),
        ("x: *nobody", "f:1: an alias (*) names an anchor (&) that is not defined before it"),
        ("x: &a [*a]", "f:1: an alias (*) names an anchor (&) that is not defined before it"),
        ("a: !!python/object:os.system {}", "f:1: YAML tags (!) are not read here. Write the plain value."),
        ("a: !!timestamp 2026-01-01", "f:1: YAML tags (!) are not read here. Write the plain value."),
        ("a: 1\n---\nb: 2", "f:2: a second document starts here, and only one is read. Remove the --- line."),
        ("b: 1\n<<: {a: 1}", "f:2: merge keys (<<) are not read here. Write the keys out."),
        ("? [a]\n: b", "f:1: a key must be plain text"),
        ("'': 1", "f:1: a key is empty"),
        ("a: 1\nb: \x07", "f:2: a control character is not allowed in YAML"),
        ("[" * 200, "f:1: nested more than 40 levels deep"),
    ],
)
def test_what_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, "f")
    assert caught.value.sentence().rstrip(".") == sentence.rstrip(".")
    assert caught.value.code == 78


def test_aliases_work_and_cannot_blow_up() -> None:
    assert parse("a: &x [1, 2]\nb: *x", "f").data == {"a": [1, 2], "b": [1, 2]}
    bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"a{i + 1}: &a{i + 1} [{','.join([f'*a{i}'] * 9)}]\n" for i in range(9)
    )
    with pytest.raises(ConfigError, match="more than 100000 values once aliases"):
        parse(bomb, "f")


def test_no_value_shows_in_an_error() -> None:
    for text in (
        "password: hunter2: x",
        'password: "hunter2',
        "password: hunter2\npassword: hunter2",
        "- hunter2\nx: hunter2",
    ):
        with pytest.raises(ConfigError) as caught:
            parse(text, "f")
        assert "hunter2" not in caught.value.sentence()


bmp = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=20)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.floats(allow_nan=False, allow_infinity=False) | bmp,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(bmp.filter(bool), inner, max_size=4),
    max_leaves=20,
)


@given(plain)
def test_json_is_read_as_itself(data: Any) -> None:
    assert parse(json.dumps({"key": data}), "f").data == {"key": data}


@given(st.text(max_size=200))
def test_any_text_is_data_or_a_sentence(text: str) -> None:
    try:
        parse(text, "f")
    except ConfigError as error:
        place, sentence = error.place, error.sentence()
    else:
        return
    assert place.startswith("f:")
    assert "\n" not in sentence

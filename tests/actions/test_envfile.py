"""Env files: one value changes, every other byte stays; what is secret is not shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsctl.actions.envfile import displayed, edited, is_secret, parse, value_of, variables

FILE = """# database, see the wiki
DB_HOST=db1
export DB_POOL = 20   # per process
QUOTED="a b # no comment"
SINGLE='it is $HOME'  # kept
EMPTY=
KEY="-----BEGIN
DB_POOL=99
-----END"
#DB_HOST=old
 INDENTED=x
not a line
"""


def test_values_as_a_process_would_get_them(tmp_path):
    (tmp_path / ".env").write_text(FILE)
    assert variables(tmp_path / ".env") == {
        "DB_HOST": "db1",
        "DB_POOL": "20",
        "QUOTED": "a b # no comment",
        "SINGLE": "it is $HOME",
        "EMPTY": "",
        "KEY": "-----BEGIN\nDB_POOL=99\n-----END",
        "INDENTED": "x",
    }


@pytest.mark.parametrize(
    ("key", "value", "before", "after"),
    [
        ("DB_POOL", "30", "export DB_POOL = 20   # per process", "export DB_POOL = 30   # per process"),
        ("DB_HOST", "db2.x:5432", "DB_HOST=db1", "DB_HOST=db2.x:5432"),
        ("DB_HOST", "two words", "DB_HOST=db1", "DB_HOST='two words'"),
        ("QUOTED", "c", 'QUOTED="a b # no comment"', 'QUOTED="c"'),
        ("QUOTED", 'say "x"', 'QUOTED="a b # no comment"', "QUOTED='say \"x\"'"),
        ("SINGLE", "it's", "SINGLE='it is $HOME'", 'SINGLE="it\'s"'),
        ("SINGLE", "it's $5", "SINGLE='it is $HOME'", 'SINGLE="it\'s \\$5"'),
        ("DB_HOST", "", "DB_HOST=db1", "DB_HOST="),
        ("EMPTY", "#1", "EMPTY=\n", "EMPTY='#1'\n"),
    ],
)
def test_one_value_changes_and_nothing_else(key, value, before, after):
    assert edited(FILE, {key: value}) == FILE.replace(before, after)


def test_a_new_key_goes_to_the_end():
    assert edited("A=1", {"B": "2"}) == "A=1\nB=2\n"
    assert edited("A=1\r\n", {"B": "2"}) == "A=1\r\nB=2\r\n"
    assert edited("", {"B": "2"}) == "B=2\n"


def test_lines_that_end_as_on_windows_stay_so():
    assert edited("A=1\r\nB=2 # x\r\nC=3\r\n", {"B": "5"}) == "A=1\r\nB=5 # x\r\nC=3\r\n"


def test_of_several_definitions_the_last_counts_and_is_changed():
    assert edited("A=1\nB=x\nA=2\n", {"A": "3"}) == "A=1\nB=x\nA=3\n"
    assert value_of("A=1\nA=2\n", "A") == "2"


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "a\0b"])
def test_more_than_one_line_is_refused(value):
    with pytest.raises(ValueError, match="one line"):
        edited("A=1\n", {"A": value})


def test_a_quote_that_never_closes_is_a_value_of_its_line():
    assert [entry.key for entry in parse('A="open\nB=2\n')] == ["A", "B"]


@given(
    st.lists(st.text(alphabet="AB=#'\"\\ \tx\r\n$", max_size=30), max_size=6),
    st.text(alphabet="ab'\"\\ $#`=\t", max_size=12),
)
def test_whatever_the_file_it_reads_back_or_is_refused(lines, value):
    text = "\n".join(lines)
    try:
        new = edited(text, {"KEY": value})
    except ValueError:
        return
    assert value_of(new, "KEY") == value
    if value_of(text, "KEY") is None:
        assert new.startswith(text)


@pytest.mark.parametrize(
    "key",
    ["LLM_API_KEY", "OPENROUTER_API_KEY", "DB_PASSWORD", "JWT_SECRET", "DATABASE_URL", "ALERT_WEBHOOK_URL",
     "AUTH_TOKEN", "PRIVATE_PEM", "ADMIN_KEY", "PGPASSWORD", "SENTRY_DSN"],
)  # fmt: skip
def test_keys_that_hold_secrets(key):
    assert is_secret(key)
    assert displayed(key, "abc") == "[redacted]"


@pytest.mark.parametrize(
    "key",
    ["DB_CONNECTION_POOL_SIZE", "SEARCH_DEFAULT_K", "LLM_TIMEOUT_SECONDS", "MAX_TOKENS", "CACHE_TTL_AMAS_STATE",
     "REFLECTION_MAX_COST_PER_DAY_USD", "DISABLE_METRICS_COLLECTION", "LLM_CONSENSUS_MODEL_1", "KEYSPACE"],
)  # fmt: skip
def test_keys_that_do_not(key):
    assert not is_secret(key, "30")
    assert displayed(key, "30") == '"30"'


def test_a_value_that_looks_like_a_secret_is_none_to_show():
    assert displayed("UPSTREAM", "https://me:pa55word@host/x") == "[redacted]"

"""An action's page is made from what it registers: bounds in words, options as they are typed, who uses it."""

from __future__ import annotations

import pytest

from opsctl.actions.model import Limit, Pace, Params
from opsctl.actions.registry import Action, all_actions
from opsctl.remediation.action_page import as_markdown, as_text, facts, parameters, reach


class Wanted(Params, frozen=True, kw_only=True):
    """One field of each kind."""

    name: str
    wait: str = "30s"
    share: float = 2.0
    count: int | None = None
    also: tuple[str, ...] = ()
    all: bool = False
    gently: bool = True


def made(**changes) -> Action:
    """A real action with other fields."""
    given = {
        "params": Wanted,
        "help": {name: f"About {name}." for name in Wanted.__struct_fields__},
        "title": "Do  a\nthing | and another",
    }
    return all_actions()["service.stop"]._replace(**{**given, **changes})


def fact(name: str, **changes) -> str:
    return dict(facts(made(**changes)))[name]


def test_options_with_their_kind_and_default():
    assert [(option, kind, default) for option, kind, default, _ in parameters(made())] == [
        ("--name", "text", "required"),
        ("--wait", "text", "30s"),
        ("--share", "number", "2"),
        ("--count", "integer", "none"),
        ("--also", "list of text", "none"),
        ("--all", "yes or no", "no"),
        ("--gently", "yes or no", "yes"),
    ]
    text = as_text(made(), {})
    assert "  --name text, required: About name.\n" in text
    assert "  --wait text, default 30s: About wait.\n" in text
    assert "  --count integer: About count.\n" in text
    assert "  --also text: About also. May be repeated.\n" in text
    assert "  --all: About all.\n" in text


@pytest.mark.parametrize(
    ("limit", "says"),
    [
        (Limit(targets=1, share=0.25), "one target"),
        (Limit(targets=12, share=1.0), "12 targets"),
        (Limit(), "5 targets, and no more than 25% of those there are; one is always allowed"),
    ],
)
def test_its_limit_in_words(limit, says):
    assert fact("Limit", limit=limit) == says


@pytest.mark.parametrize(
    ("pace", "says"),
    [
        (Pace(batch=1, pause=0.0), "one at a time"),
        (Pace(batch=1, pause=5.0), "one at a time, 5s in between"),
        (Pace(), "the first alone, then 5 at a time, 2s in between"),
    ],
)
def test_its_pace_in_words(pace, says):
    assert fact("Pace", pace=pace, limit=Limit()) == says
    assert "Pace" not in dict(facts(made(pace=pace, limit=Limit(targets=1))))


def test_undo_and_when_it_may_be_done_again():
    assert fact("Undo", undo=None) == "none: what it did stays done"
    assert fact("Undo") == "`opsctl ledger undo RUN`"
    assert fact("Again on the same target", cooldown=0.0) == "at once"
    assert fact("Again on the same target", cooldown=600.0) == "after 10m, or with --again"


def test_the_larger_the_weight_the_worse_it_sounds():
    words = [reach(made(weight=weight)) for weight in range(1, 10)]
    assert words[0] == words[1] == "nobody notices"
    assert words[-1] == "an outage while it lasts"
    assert len(set(words)) == 5


def test_a_page_survives_what_titles_and_help_may_hold():
    page = as_markdown(made(help=dict.fromkeys(Wanted.__struct_fields__, "a | b")), {})
    assert "\nDo a thing | and another\n" in page
    assert "| `--name` | text | required | a \\| b |" in page
    assert page.endswith("No runbook of the built-in set.\n")
    assert "## Parameters\n\nNone." in as_markdown(made(params=Params, help={}), {})


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("action", all_actions().values(), ids=list(all_actions()))
def test_every_action_fits_the_screen(action, width):
    for line in as_text(action, {"low-cache-hit-rate": ["x"]}, width).splitlines():
        assert len(line) <= width or " " not in line.strip(), line

"""What every action must tell of itself, so that plans, pages and options made from it can be read."""

from __future__ import annotations

import importlib
import pkgutil
import re
import subprocess
import sys

import pytest

import opsctl.actions
from opsctl.actions.registry import MODULES, Action, all_actions, get, register
from opsctl.config.places import built_in
from opsctl.runbooks.find import find
from opsctl.runbooks.load import load_file

ACTIONS = all_actions()
DRIVERS = ("psycopg", "redis", "httpx", "httpcore", "kubernetes", "grpc", "yaml", "rich", "requests", "typer", "ssl")

# What an operator's command runs by itself, besides what runbooks name.
COMMANDS = {
    "budget.raise-limit": "opsctl budget raise-limit",
    "customer.contain-key": "opsctl customer contain-key",
    "customer.reactivate": "opsctl customer reactivate",
    "customer.revoke-key": "opsctl customer revoke-key",
    "customer.rotate-key": "opsctl customer rotate-key",
    "customer.suspend": "opsctl customer suspend",
    "customer.upgrade": "opsctl customer upgrade",
    "kubernetes.restart": "opsctl restart",
    "kyrodb.restart": "opsctl restart",
    "redis.invalidate-prefix": "opsctl cache invalidate",
    "service.restart": "opsctl restart",
}
# No command reaches it yet: it waits for a runbook of somebody's own to name them under `mitigation`.
OWN_RUNBOOKS = {
    "service.start": "service.restart --stopped starts what stands still; this one is the way back from service.stop",
}

each = pytest.mark.parametrize("action", ACTIONS.values(), ids=list(ACTIONS))


def used_by_runbooks() -> dict[str, list[str]]:
    uses: dict[str, list[str]] = {}
    for name, path in find([built_in()]).items():
        for mitigation in load_file(path).runbook.mitigation:
            uses.setdefault(mitigation.action, []).append(name)
    return uses


@each
def test_its_id_is_a_system_and_what_is_done(action: Action) -> None:
    system, _, verb = action.id.partition(".")
    assert system in MODULES
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", verb), action.id
    assert get(action.id) is action


@each
def test_its_title_is_one_line_that_begins_like_a_sentence(action: Action) -> None:
    assert action.title == " ".join(action.title.split())
    assert action.title[0].isupper()
    assert not action.title.endswith("."), "a title stands in lists; it is no sentence of a text"
    assert 10 <= len(action.title) <= 80


@each
def test_each_parameter_has_a_sentence_of_help(action: Action) -> None:
    assert set(action.help) == set(action.params.__struct_fields__)
    for name, text in action.help.items():
        assert text == " ".join(text.split()), name
        assert text.endswith("."), name
        assert text[0].isupper() or not text[0].isalpha(), name


@each
def test_it_says_what_it_sends_and_what_that_takes(action: Action) -> None:
    for text in (action.asks, action.privilege):
        assert text
        assert text == " ".join(text.split())
        assert not text.endswith(".")


@each
def test_its_bounds_are_bounds(action: Action) -> None:
    assert 1 <= action.weight <= 9
    assert action.limit.targets >= 1
    assert 0 < action.limit.share <= 1
    assert action.pace.batch >= 1
    assert action.pace.pause >= 0
    assert action.cooldown >= 0
    assert 0 < action.expires <= 3600, "what was seen an hour ago is no plan"


def test_a_second_action_of_an_id_and_a_parameter_without_help_are_refused() -> None:
    action = next(iter(ACTIONS.values()))
    with pytest.raises(ValueError, match="registered twice"):
        register(action)
    with pytest.raises(ValueError, match="help and parameters differ"):
        register(action._replace(id="testing.no-help", help={"nothing": "There is no such parameter."}))
    assert get("testing.no-help") is None


def test_an_unknown_system_loads_nothing_and_is_none() -> None:
    assert get("nothing.at-all") is None
    assert get("postgres.drop-table") is None


def test_every_module_that_registers_is_reached_from_its_system() -> None:
    """A file whose action nobody imports would be dead."""
    code = (
        "import sys\nfrom opsctl.actions.registry import all_actions\nall_actions()\n"
        "print(*(m for m in sys.modules if m.startswith('opsctl.actions.')))"
    )
    reached = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    modules = {f"opsctl.actions.{one.name}" for one in pkgutil.iter_modules(opsctl.actions.__path__)}
    lazily = modules.difference(reached.stdout.split())
    for name in lazily:
        importlib.import_module(name)
    assert all_actions() == ACTIONS, f"one of {sorted(lazily)} registers what no system's module imports"


def test_loading_every_action_loads_no_driver() -> None:
    code = (
        "import sys\nfrom opsctl.actions.registry import all_actions\nprint(len(all_actions()))\n"
        f"print(*sorted(set({DRIVERS!r}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    count, loaded = done.stdout.split("\n")[:2]
    assert int(count) == len(ACTIONS)
    assert loaded == ""


def test_runbooks_name_actions_and_parameters_that_there_are() -> None:
    for name, path in find([built_in()]).items():
        for mitigation in load_file(path).runbook.mitigation:
            assert mitigation.action in ACTIONS, name
            assert set(mitigation.with_) <= set(ACTIONS[mitigation.action].params.__struct_fields__), name


def test_every_action_is_used() -> None:
    used = used_by_runbooks()
    assert set(ACTIONS) - set(used) - set(COMMANDS) == set(OWN_RUNBOOKS)
    assert set(COMMANDS) <= set(ACTIONS)


@pytest.mark.parametrize(("id", "command"), COMMANDS.items())
def test_the_command_that_runs_it_is_there(id: str, command: str) -> None:
    from opsctl.cli.app import load

    _, name, *rest = command.split()
    found = load(name)
    for word in rest:
        assert word in found.commands, command  # type: ignore[union-attr]

"""`opsctl action`: what there is, and what somebody who answers for a server reads before they allow it."""

from __future__ import annotations

import pytest

from tests.acceptance.session import Session

ACTION = "postgres.terminate-idle"


@pytest.fixture
def user(tmp_path):
    return Session(tmp_path, COLUMNS="80")


def test_all_of_them_with_what_each_does_and_whether_it_can_be_undone(user):
    shown = user.opsctl("action", "list", check=(0,)).out
    lines = shown.splitlines()
    assert max(map(len, lines)) <= 80
    begins = [line for line in lines if not line.startswith(" ")]
    assert [line.split()[0] for line in begins] == sorted(line.split()[0] for line in begins)
    titles = " ".join(shown.split())
    assert f"{ACTION} End leaked idle sessions of the application that holds the most (no undo)" in titles
    assert "kubernetes.scale-out More replicas; a higher minimum where an autoscaler decides kubernetes" not in titles
    rows = user.opsctl("action", "list", "-o", "json", check=(0,)).json()["actions"]
    assert len(rows) == len(begins)
    assert {row["action"]: row["undo"] for row in rows}[ACTION] is False


def test_one_of_them_on_a_screen(user):
    shown = user.opsctl("action", "show", ACTION, check=(0,)).out
    assert max(map(len, shown.splitlines())) <= 80
    text = " ".join(shown.split())
    assert "Sends: SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid, backend_start" in text
    assert "Privilege: pg_monitor and pg_signal_backend" in text
    assert "Limit: 10 targets, and no more than 25% of those there are; one is always allowed" in text
    assert "Pace: the first alone, then 5 at a time, 2s in between" in text
    assert "Undo: none: what it did stays done" in text
    assert "--older-than text, default 10m: Sessions idle for so long." in text
    assert "--allow-free: Although slots are not scarce." in text
    assert "opsctl remediate db-pool-exhaustion terminate-idle" in text


def test_what_acts_on_one_target_says_so_and_has_no_pace(user):
    text = " ".join(user.opsctl("action", "show", "firewall.block-ip", check=(0,)).out.split())
    assert "Limit: one target Undo: `opsctl ledger undo RUN` Again on the same target: at once" in text
    assert "--ip text, required: The address." in text
    assert "ours, private or of a carrier. May be repeated." in text


def test_as_data_and_as_a_page_it_says_the_same(user):
    told = user.opsctl("action", "show", ACTION, "-o", "json", check=(0,)).json()
    options = {one["option"]: one for one in told["parameters"]}
    assert (options["--allow-free"]["type"], options["--allow-free"]["default"]) == ("yes or no", "no")
    assert options["--older-than"]["default"] == "10m"
    assert told["used_by"] == {"db-pool-exhaustion": ["terminate-idle"]}
    page = user.opsctl("action", "show", ACTION, "--markdown", check=(0,)).out
    assert page.startswith(f"# {ACTION}\n")
    assert f"| Limit | {told['limit']} |" in page
    assert "| `--allow-free` | yes or no | no | Although slots are not scarce. |" in page
    assert "[db-pool-exhaustion](../db-pool-exhaustion.md)" in page


def test_a_runbook_of_ones_own_is_among_its_users(user, tmp_path):
    from opsctl.config.places import built_in

    books = tmp_path / "books"
    books.mkdir()
    text = (built_in() / "db-pool-exhaustion.yaml").read_text()
    (books / "mine.yaml").write_text(text.replace("runbook: db-pool-exhaustion", "runbook: mine", 1))
    (books / "broken.yaml").write_text("runbook: [")
    told = user.opsctl("--runbooks", str(books), "action", "show", ACTION, "-o", "json", check=(0,)).json()
    assert sorted(told["used_by"]) == ["db-pool-exhaustion", "mine"]


@pytest.mark.parametrize(
    ("name", "near"), [("postgres.terminate-idel", ACTION), ("zzz", "Known: alertmanager.silence-symptoms")]
)
def test_a_name_that_is_none_is_told_with_the_nearest(user, name, near):
    done = user.opsctl("action", "show", name, check=(64,))
    assert done.out == ""
    assert f'there is no action "{name}"' in done.err
    assert near in done.err


def test_a_subcommand_that_is_none_and_the_help(user):
    assert "Did you mean list?" in user.opsctl("action", "lsit", check=(64,)).err
    assert "show" in user.opsctl("action", "--help", check=(0,)).out

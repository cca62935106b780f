"""Who acts, with what, and what of the command line goes into the record."""

import getpass
import socket
from pathlib import Path

from opsctl.config.settings import load_settings
from opsctl.remediation.workspace import open_workspace, who_of
from opsctl.services.model import Profile

HOST = socket.gethostname().partition(".")[0]


def test_the_actor_is_the_user_or_who_the_environment_names(monkeypatch):
    assert who_of(["opsctl", "x"], {}).actor == f"{getpass.getuser()}@{HOST}"
    assert who_of(["opsctl", "x"], {"OPSCTL_ACTOR": " ana \x1b[31m"}).actor == "ana"

    def nobody():
        raise KeyError("uid")

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert who_of(["opsctl"], {}).actor.startswith("uid-")


def test_no_secret_of_the_command_line_is_kept():
    url = "postgresql://ops:hunter2@db/app"
    who = who_of(["opsctl", "remediate", "--postgres-url", url, "--reason", "it's slow"], {}, reason=f"see {url}")
    assert "hunter2" not in who.command + who.reason
    assert who.command.endswith("""--reason 'it'"'"'s slow'""")


def test_a_workspace_gives_hands_and_closes_its_clients(environ):
    clock = iter([1_800_000_000.0, 1_800_000_060.0])
    settings = load_settings(None, None, environ=environ)
    with open_workspace(
        settings, Profile(service="home"), [Path()], command=["opsctl", "x"], environ=environ,
        reason="dry", ticket="INC-7", clock=lambda: next(clock),
    ) as work:  # fmt: skip
        first, second = work.hands(), work.hands()
        assert (first.now, second.now) == (1_800_000_000.0, 1_800_000_060.0)
        assert first.signals is not second.signals
        assert first.readers is second.readers
        assert (first.reason, work.context, work.who.ticket) == ("dry INC-7", "", "INC-7")

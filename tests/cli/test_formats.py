"""One diagnosis in every format, to a pipe, a file and a terminal; going on and judging anew; wishes that clash."""

import os
import pty
import subprocess
import sys

import pytest

from tests.acceptance.app import App
from tests.cli import shop

SLOW = ("diagnose", "slow", "-s", "shop")


@pytest.fixture(scope="module")
def app():
    one = App(latency=0.4)
    yield one
    one.stop()


@pytest.fixture
def session(tmp_path, app):
    return shop.session(tmp_path, app)


def reports(session, ending="json"):
    return sorted((session.folder / "home/.local/state/opsctl/reports").glob(f"*.{ending}"))


def on_a_terminal(session, *argv):
    """Exit code and what a terminal of eighty columns was shown."""
    leader, follower = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "opsctl", *argv],
        stdin=follower, stdout=follower, stderr=subprocess.PIPE, cwd=session.folder,
        env=session.environ | {"COLUMNS": "80", "TERM": "xterm"},
    )  # fmt: skip
    os.close(follower)
    said = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:
            break
        if not piece:
            break
        said += piece
    os.close(leader)
    return child.wait(60), said.decode()


def test_a_page_goes_to_where_stdout_goes(session):
    done = session.opsctl(*SLOW, "-o", "html", check=(2,))
    assert done.out.startswith("<!doctype html>")
    assert done.out.endswith("</html>\n")
    assert "Many requests come" in done.out
    assert len(reports(session)) == 1


def test_on_a_terminal_a_page_goes_beside_the_saved_report(session):
    code, said = on_a_terminal(session, *SLOW, "-o", "html")
    assert code == 2
    assert "<" not in said
    [page], [kept] = reports(session, "html"), reports(session)
    assert page.stem == kept.stem
    assert page.read_text().startswith("<!doctype html>")
    assert page.stat().st_mode & 0o077 == 0
    assert said.startswith("CRITICAL  shop: latency_p99")
    assert page.name in said.replace("\r\n", "")


def test_markdown_for_a_ticket(session):
    done = session.opsctl(*SLOW, "-o", "markdown", "--no-save", check=(2,))
    assert done.out.startswith("## CRITICAL (sev2): slow on shop\n")
    assert "| 1 | **Many requests come** (`slow-rate`) | confirmed |" in done.out
    assert "```sh\nopsctl diagnose busy -s shop\n```" in done.out
    assert reports(session) == []


@pytest.mark.parametrize(
    ("shape", "begins"), [("html", "<!doctype"), ("markdown", "## "), ("json", "{"), ("text", "CRITICAL")]
)
def test_into_a_file(session, shape, begins):
    done = session.opsctl(*SLOW, "-o", shape, "--output-file", "out", "--no-save", check=(2,))
    assert done.out == ""
    assert done.err == "Wrote out\n"
    assert (session.folder / "out").read_text().startswith(begins)


def test_following_the_first_cause_until_it_comes_back(session):
    done = session.opsctl(*SLOW, "--follow", check=(2,))
    heads = [line.split()[2] for line in done.out.splitlines() if line.startswith("== ")]
    assert heads == ["slow", "busy", "calm"]
    assert done.out.rstrip().endswith("Followed no further: calm-rate leads back to slow")
    assert len(reports(session)) == 3
    data = session.opsctl(*SLOW, "--follow", "-o", "json", "--no-save", check=(2,)).json()
    assert [(one["runbook"], one["verdict"]) for one in data] == [
        ("slow", "critical"), ("busy", "warning"), ("calm", "warning"),
    ]  # fmt: skip
    text = session.opsctl(*SLOW, "--follow", "-o", "markdown", "--no-save", check=(2,)).out
    assert [line for line in text.splitlines() if line.startswith("# ")] == [
        "# 1. slow on shop", "# 2. busy on shop", "# 3. calm on shop",
    ]  # fmt: skip


def test_following_stops_where_nothing_leads_on(session):
    book = session.folder / "runbooks" / "busy.yaml"
    book.write_text(book.read_text().replace('"calm"', '"nowhere"'))
    done = session.opsctl("diagnose", "busy", "-s", "shop", "--follow", "--no-save", check=(1,))
    assert done.out.rstrip().endswith("Followed no further: busy-rate names nowhere, which does not exist here")


def test_a_saved_report_is_judged_anew(session):
    session.opsctl(*SLOW, check=(2,))
    again = session.opsctl("diagnose", "slow", "--replay", "last", check=(2,))
    assert "no system was asked" in again.out
    assert len(reports(session)) == 1  # a replay is kept only when that is asked for
    profile = session.folder / "runbooks" / "services" / "shop.yaml"
    profile.write_text(profile.read_text().replace("200ms", "20s"))
    calm = session.opsctl("diagnose", "slow", "--replay", "last", "-o", "json", check=(0,)).json()
    assert (calm["verdict"], calm["service"]) == ("ok", "shop")
    assert calm["replayed_from"]["verdict"] == "critical"
    session.opsctl("diagnose", "slow", "--replay", "last", "--save", check=(0,))
    assert len(reports(session)) == 2
    page = session.opsctl("diagnose", "slow", "--replay", reports(session)[0].stem, "-o", "html", check=(0,)).out
    assert page.startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("argv", "names"),
    [
        (["--watch", "--at", "10m ago"], ["--watch", "--at"]),
        (["--watch", "--follow"], ["--watch", "--follow"]),
        (["--watch", "-o", "html"], ["--watch", "-o html"]),
        (["--watch", "-o", "markdown"], ["--watch", "-o markdown"]),
        (["--watch", "--output-file", "x"], ["--watch", "--output-file"]),
        (["--watch", "--every", "0.5s"], ["--every 0.5s"]),
        (["--watch", "--every", "soon"], ["soon"]),
        (["--every", "5s"], ["--every", "--watch"]),
        (["--follow", "-o", "html"], ["--follow", "-o html"]),
        (["--replay", "last", "--watch"], ["--replay", "--watch"]),
        (["--replay", "last", "--at", "10m ago"], ["--replay", "--at"]),
        (["--replay", "last", "--since", "1h"], ["--replay", "--since"]),
        (["--replay", "last", "--direct"], ["--replay", "--direct"]),
        (["--replay", "last", "--prometheus-url", "http://127.0.0.1:9"], ["--replay", "--prometheus-url"]),
        (["--replay", "last", "--kubeconfig", "x"], ["--replay", "--kubeconfig"]),
        (["--replay", "no-such-report"], ["no-such-report"]),
        (["--output-file", ""], ["--output-file"]),
        (["-o", "yaml"], ["yaml"]),
    ],
    ids=" ".join,
)
def test_wishes_that_do_not_go_together(session, argv, names):
    done = session.opsctl(*SLOW, *argv, check=(64,))
    assert done.out == ""
    assert len(done.err.strip().splitlines()) == 1
    assert all(name in done.err for name in names), done.err


def test_a_file_that_cannot_be_written_is_told_before_anybody_looks(session):
    for name in ("nowhere/out.html", "."):
        done = session.opsctl(*SLOW, "-o", "html", "--output-file", name, check=(73,))
        assert len(done.err.strip().splitlines()) == 1
    assert reports(session) == []

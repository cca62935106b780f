"""opsctl silence on a real pair of Alertmanagers, hand in hand with amtool."""

import json
import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from tests.acceptance.session import Session
from tests.servers import programs
from tests.servers.alertmanager import start_alertmanager, start_alertmanagers

pytestmark = pytest.mark.needs("alertmanager")


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    servers = start_alertmanagers(tmp_path_factory.mktemp("pair"))
    for server in servers:
        server.post_alerts(
            {"alertname": "Watchdog", "severity": "none"},
            {"alertname": "ServiceDown", "service": "orchestrator", "severity": "critical"},
            {"alertname": "HighLatency", "service": "orchestrator", "severity": "warning"},
            *({"alertname": f"Other{n}", "service": "api", "severity": "warning"} for n in range(14)),
        )
    yield servers
    for server in servers:
        server.stop()


@pytest.fixture
def session(tmp_path, pair):
    return Session(tmp_path, TZ="Europe/Berlin", ALERTMANAGER_URL=",".join(server.url for server in pair))


def amtool(server, *argv, stdin=""):
    """What amtool, which comes with Alertmanager, prints."""
    program = programs.which("amtool")
    assert program is not None, "amtool belongs to Alertmanager's package"
    done = subprocess.run(
        [program, f"--alertmanager.url={server.url}", "-o", "json", *argv],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def made(session, *argv):
    done = session.opsctl("silence", "create", *argv, "--comment", "deploy 1.14", "-o", "json", check=(0,))
    return done.json()


def queried(server, id):
    (one,) = [s for s in json.loads(amtool(server, "silence", "query")) if s["id"] == id]
    return one


def test_an_evening_of_maintenance(session, pair):
    """The text of experience.md, and each step shown."""
    create = ("silence", "create", "service=orchestrator", "--for", "2h", "--comment", "deploy 1.14")
    done = session.opsctl(*create, "--preview", check=(77,))
    assert "would mute now      2 of 17 firing alerts  (1 critical)" in done.out
    assert "everything without service=orchestrator" in done.out
    assert '--allow ServiceDown="why"' in done.out
    allowed = (*create, "--allow", "ServiceDown=we restart it")
    done = session.opsctl(*allowed, "--preview", check=(0,))
    assert "Nothing was changed" in done.out
    assert amtool(pair[0], "silence", "query") == "[]\n"

    done = session.opsctl(*allowed, check=(0,))
    assert done.out.startswith("created  ")
    assert "2 of 17 firing alerts: HighLatency, ServiceDown" in done.out
    assert "UTC (" in done.out
    assert "Europe/Berlin), 2h" in done.out
    assert max(map(len, done.out.splitlines())) <= 80
    again = session.opsctl(*allowed, check=(0,))
    assert again.out.startswith("there already  ")

    listed = session.opsctl("silence", "list", check=(0,)).out
    assert listed.startswith("1 active; 17 alerts firing\n")
    assert "mutes 2 alerts: HighLatency, ServiceDown" in listed
    id = json.loads(amtool(pair[1], "silence", "query"))[0]["id"]
    done = session.opsctl("silence", "extend", id[:6], "+2h", check=(0,))
    assert id in done.out
    refused = session.opsctl("silence", "expire", "--matcher", "service=orchestrator", check=(64,))
    assert "service=" in refused.err
    assert "Add --yes" in refused.err
    done = session.opsctl("silence", "expire", "--matcher", "service=orchestrator", "--yes", check=(0,))
    assert done.out.startswith("expired   ")
    assert session.opsctl("silence", "list", check=(0,)).out == "No silence is active or pending.\n"


@pytest.mark.parametrize("words", [["alertname=~.+"], ['nosuchlabel!="x"'], ["{}"], ["severity!=critical"]])
def test_a_silence_of_everything_is_refused(session, pair, words):
    done = session.opsctl("silence", "create", *words, "--for", "1h", "--comment", "x", check=(77,))
    assert done.err.startswith("opsctl: refused: ")
    assert "Name what you maintain, e.g. service=orchestrator." in done.err
    assert "of 17" in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_more_than_half_needs_the_number(session, pair):
    wide = ("service=api", "--for", "1h")
    done = session.opsctl("silence", "create", *wide, "--comment", "x", check=(77,))
    assert "14 of 17 firing alerts (82%, limit 50%)" in done.err
    one = made(session, *wide, "--allow-count", "14")
    assert (one["mutes"], one["firing"]) == (14, 17)
    session.opsctl("silence", "expire", one["id"], check=(0,))


def test_a_services_own_labels(session, pair):
    one = made(session, "--service", "threads", "HighLatency", "--for", "1h")
    assert [f"{m['name']}={m['value']}" for m in one["matchers"]] == ["service=orchestrator", "alertname=HighLatency"]
    session.opsctl("silence", "expire", one["id"], check=(0,))


def test_a_teams_policy_is_found_and_its_ticket_wanted(session, pair):
    folder = session.folder / "home/.config/opsctl"
    folder.mkdir(parents=True)
    (folder / "silence-policy.yaml").write_text("ticket: true\nticket_pattern: OPS-[0-9]+\n")
    done = session.opsctl("silence", "create", "Other1", "--for", "1h", "--comment", "x", check=(77,))
    assert "wants a ticket" in done.err
    one = made(session, "Other1", "--for", "1h", "--ticket", "OPS-7")
    assert queried(pair[0], one["id"])["comment"] == "deploy 1.14 [OPS-7]", "0.25 keeps no annotations"
    session.opsctl("silence", "expire", one["id"], check=(0,))


def test_amtool_updates_and_ends_what_opsctl_made(session, pair):
    one = made(session, "Other2", "team=~web|db", "service!=x", "--for", "1h")
    assert queried(pair[1], one["id"])["createdBy"] == one["author"]
    amtool(pair[0], "silence", "update", "-d", "3h", one["id"])
    done = session.opsctl("silence", "extend", one["id"], "+1h", "-o", "json", check=(0,))
    (change,) = done.json()["changes"]
    assert (change["outcome"], change["id"]) == ("extended", one["id"])
    end = datetime.fromisoformat(queried(pair[0], one["id"])["endsAt"])
    assert abs(end - datetime.fromisoformat(one["starts_at"]) - timedelta(hours=4)) < timedelta(seconds=5)
    amtool(pair[0], "silence", "expire", one["id"])
    done = session.opsctl("silence", "extend", one["id"], "+1h", check=(77,))
    assert "an ended one cannot be extended" in done.err
    assert session.opsctl("silence", "expire", one["id"], check=(0,)).out.startswith("unchanged ")


def test_opsctl_extends_and_ends_what_amtool_made(session, pair):
    id = amtool(pair[0], "silence", "add", "Other3", "-d", "30m", "-c", "by amtool", "-a", "bob").strip().strip('"')
    done = session.opsctl("silence", "extend", id, "+1h", check=(0, 1))
    assert id in done.out
    left = datetime.fromisoformat(queried(pair[0], id)["endsAt"]) - datetime.now(UTC)
    assert timedelta(minutes=85) < left <= timedelta(minutes=90)
    session.opsctl("silence", "expire", "--matcher", "alertname=Other3", "--yes", check=(0,))
    assert amtool(pair[0], "silence", "query", "Other3") == "[]\n"


def content(text):
    """What a file says, without what each server decides."""
    rows = [{k: v for k, v in row.items() if k not in ("id", "updatedAt", "status")} for row in json.loads(text)]
    return sorted(rows, key=lambda row: row["comment"])


def test_files_go_both_ways(session, pair, tmp_path):
    ids = [
        made(session, "Other4", 'quoted="a \\"b\\" ü"', "--for", "1h")["id"],
        made(session, "Other5", "team!~x|y", "--start", "+1h", "--for", "1h")["id"],
    ]
    exported = session.opsctl("silence", "export", check=(0,)).out
    assert content(exported) == content(amtool(pair[0], "silence", "query"))
    file = tmp_path / "silences.json"
    file.write_text(exported)
    amtool(pair[0], "silence", "import", str(file))
    assert content(session.opsctl("silence", "export", check=(0,)).out) == content(exported)
    again = session.opsctl("silence", "import", str(file), "-o", "json", check=(0,)).json()
    assert [(one["what"], one["id"]) for one in again["silences"]] == [("there", id) for id in ids]

    fresh = start_alertmanager(tmp_path / "fresh")
    try:
        amtool(fresh, "silence", "import", str(file))
        there = session.opsctl("silence", "export", "--alertmanager-url", fresh.url, check=(0,)).out
        new = content(there)
        for row, old in zip(new, content(exported), strict=True):
            begun = datetime.fromisoformat(old["startsAt"]) < datetime.now(UTC)
            assert row | ({"startsAt": old["startsAt"]} if begun else {}) == old, "only a start in the past is moved"
        file.write_text(there)
        session.opsctl("silence", "import", str(file), "--alertmanager-url", fresh.url, check=(0,))
        session.opsctl("silence", "expire", "--matcher", "alertname=~Other.", "--yes", check=(0,))
        back = session.opsctl("silence", "import", str(file), check=(0,)).out
        assert back.endswith("2 created\n")
        assert session.opsctl("silence", "import", str(file), check=(0,)).out.endswith("2 there already\n")
    finally:
        fresh.stop()
    session.opsctl("silence", "expire", "--mine", "--yes", check=(0,))


def test_a_split_cluster_is_named(session, pair, tmp_path):
    alone = start_alertmanager(tmp_path / "alone")
    try:
        url = f"{pair[0].url},{alone.url}"
        create = ("create", "Other6", "--for", "1h", "--comment", "x", "--alertmanager-url", url)
        done = session.opsctl("silence", *create, check=(1,))
        assert f"not seen on {alone.url}" in " ".join(done.out.split())
        assert done.out.rstrip().endswith(f"--alertmanager-url {url}"), "the next command goes to the same servers"
        listed = session.opsctl("silence", "list", "--alertmanager-url", url, check=(0,)).out
        assert f"not on {alone.url}" in listed
        session.opsctl("silence", "expire", "Other6", "--yes", "--alertmanager-url", url, check=(0, 1))
    finally:
        alone.stop()


def test_ack_and_renew(session, pair):
    done = session.opsctl("silence", "ack", "HighLatency", "-c", "on it", check=(0,))
    assert "[opsctl ack 1h, at most until" in done.out
    assert session.opsctl("silence", "ack", "HighLatency", check=(0,)).out.startswith("acknowledged already")
    assert session.opsctl("silence", "ack", "Nobody", check=(1,)).out.startswith("No firing alert")
    refused = session.opsctl("silence", "ack", "ServiceDown", check=(77,))
    assert "severity=critical" in refused.err
    assert "still firing" in session.opsctl("silence", "renew", check=(0,)).out
    quiet = session.opsctl("silence", "renew", "-q", check=(0,))
    assert (quiet.out, quiet.err) == ("", "")
    session.opsctl("silence", "expire", "HighLatency", "--yes", check=(0,))


def test_the_preview_asks_prometheus_for_rules_and_the_past(session, pair, tmp_path):
    from tests.servers.prometheus import start_prometheus

    rule = lambda name, **labels: {"alert": name, "expr": "vector(1)", "labels": labels}  # noqa: E731
    group = {"name": "g", "interval": "1s", "rules": [rule("HighLatency", service="orchestrator"), rule("Disk")]}
    group["rules"].append({"alert": "Never", "expr": "vector(0) > 0", "labels": {"service": "orchestrator"}})
    group["rules"].append(rule("Watchdog", service="watch"))
    server = start_prometheus(tmp_path / "prometheus", rules=[group])
    try:
        server.wait_for('count(ALERTS{alertstate="firing"})', lambda count: count == 3)
        preview = ("silence", "preview", "service=orchestrator", "team=", "--prometheus-url", server.url)
        done = session.opsctl(*preview, "--allow", "ServiceDown=x", check=(0,))
    finally:
        server.stop()
    assert "could mute          3 rules of 4; 1 of them fired in the last 7 days" in done.out


def test_it_costs_two_requests_more_than_amtool(session, pair):
    from tests.silences.test_create import Between

    proxy = Between(pair[0].url)
    amtool(proxy, "silence", "add", "Other7", "-d", "1m", "-c", "x")
    theirs, proxy.seen = proxy.seen, []
    ticket = ("--ticket", "OPS-7", "--alertmanager-url", proxy.url)
    session.opsctl("silence", "create", "Other7", "--for", "1m", "--comment", "x", *ticket, check=(0,))
    assert sorted(line.split("?")[0] for line in theirs) == ["GET /api/v2/status", "POST /api/v2/silences"]
    assert len(proxy.seen) == len(theirs) + 2

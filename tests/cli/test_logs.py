"""`opsctl logs errors|grep|tail`: what is new first, fields counted, the end followed; never a secret."""

import gzip
import json
import signal
import time
from datetime import UTC, datetime

import pytest

from tests.cli.test_alerts import opsctl
from tests.cli.test_alerts_log import following


@pytest.fixture
def log(tmp_path):
    """A home whose Vritti keeps its log in a file there."""
    file = tmp_path / "app.log"
    context = {"services": {"vritti": {"logs": {"app": str(file)}}, "amas": {"logs": {"app": str(file)}}}}
    (tmp_path / "opsctl.yaml").write_text(json.dumps({"current-context": "x", "contexts": {"x": context}}))
    (tmp_path / "opsctl.yaml").chmod(0o600)
    return file


def line(minutes, event="request_completed", level="info", **fields):
    at = datetime.fromtimestamp(time.time() - minutes * 60, UTC).isoformat()
    return json.dumps({"timestamp": at, "level": level, "event": event, **fields}) + "\n"


ERRORS = ("logs", "errors", "-s", "vritti")
GREP = ("logs", "grep", "-s", "vritti")
TAIL = ("logs", "tail", "-s", "vritti")


def test_new_kinds_of_errors_come_before_frequent_ones(log, tmp_path):
    old = "".join(line(25 - n / 10, f"timeout after {n} ms at 10.0.0.{n}:50051", "error") for n in range(50))
    again = "".join(line(10 - n / 10, f"timeout after {n} ms at 10.0.0.{n}:50051", "error") for n in range(50))
    new = line(1, "request_failed", "error", error="pool exhausted for cust-77", api_key="em_live_abcdef0123")
    log.write_text(old + again + line(3) + "no json\n" + new + line(0.5, "0 failed"))
    done = opsctl(tmp_path, *ERRORS)
    assert done.returncode == 0, done.stderr
    head, first, sample, second, *_ = done.stdout.splitlines()
    assert head == "vritti app: 51 of 54 lines in the last 15m are errors, 2 kinds, 1 new against the 15m before"
    assert first.split()[:2] == ["NEW", "1"]
    assert first.endswith("request_failed: pool exhausted for cust-<n>")
    assert "api_key=[redacted]" in sample
    assert "em_live" not in done.stdout
    assert second.split()[0] == "50"
    assert second.endswith("timeout after <n> ms at <ip>")
    assert done.stderr == "1 line is not understood as the log's format\n"
    told = json.loads(opsctl(tmp_path, *ERRORS, "-o", "json").stdout)
    assert (told["schema"], told["errors"], told["unparsed"], told["complete"]) == ("opsctl.logs/1", 51, 1, True)
    assert [kind["new"] for kind in told["kinds"]] == [True, False]
    assert told["kinds"][1]["first"] < told["kinds"][1]["last"]


def test_without_a_past_nothing_is_called_new(log, tmp_path):
    log.write_text(line(5, "boom", "error"))
    done = opsctl(tmp_path, *ERRORS)
    assert done.stdout.splitlines()[0].endswith("1 kind, nothing before it to tell which are new")
    assert "NEW" not in done.stdout
    assert json.loads(opsctl(tmp_path, *ERRORS, "-o", "json").stdout)["kinds"][0]["new"] is None


def test_a_plain_log_with_stack_traces(log, tmp_path):
    at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
    trace = f"{at}+00:00 ERROR worker 7 died\nTraceback (most recent call last):\n  File x\nValueError: bad 12\n"
    log.write_text(f"{at}+00:00 INFO 0 failed\n" + trace * 3 + f"{at}+00:00 KeyError: 'a'\n")
    done = opsctl(tmp_path, "logs", "errors", "-s", "amas")
    assert "4 of " in done.stdout
    assert "2 kinds" in done.stdout
    assert "worker <n> died" in done.stdout
    assert "failed" not in done.stdout


def test_an_access_log_is_counted_by_client_and_status(log, tmp_path):
    at = datetime.now(UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")
    rows = [f'10.0.0.{n % 3} - - [{at}] "GET /search HTTP/1.1" {503 if n % 5 == 0 else 200} 12\n' for n in range(30)]
    log.write_text("".join(rows))
    done = opsctl(tmp_path, "logs", "grep", "-s", "amas", "--by", "client_host", "--field", "status_code=503")
    assert done.stdout.splitlines()[0].split() == ["2", "33.3%", "10.0.0.0"]
    assert done.stdout.splitlines()[-1].endswith("by client_host, 3 different")
    assert "6 of 30 lines" in opsctl(tmp_path, "logs", "errors", "-s", "amas").stdout


def test_grep_shows_the_newest_with_lines_around_them(log, tmp_path):
    log.write_text("".join(line(10 - n / 100, f"event {n}", customer_id=f"cust-{n % 2}") for n in range(100)))
    done = opsctl(tmp_path, *GREP, r"event 42\b", "-n", "1", "-C", "1")
    assert done.returncode == 0, done.stderr
    before, hit, after, total = done.stdout.splitlines()
    assert ("event 41" in before, "event 42" in hit, "event 43" in after) == (True, True, True)
    assert total == "1 of 100 lines of vritti app in the last 1h match"
    done = opsctl(tmp_path, *GREP, "EVENT", "-i", "-n", "2", "--field", "customer_id=cust-1")
    assert done.stdout.splitlines()[-1].startswith("50 of 100 lines")
    assert "the newest 2 are shown" in done.stdout
    assert "event 99" in done.stdout
    told = json.loads(opsctl(tmp_path, *GREP, r"event 5\b", "-o", "json", "--field", "customer_id!=cust-0").stdout)
    assert (told["matched"], told["matches"][0]["line"]) == (1, "INFO event 5 customer_id=cust-1")
    found = opsctl(tmp_path, *GREP, "--since", "9m35s", "--until", "9m20s ago", "-o", "json")
    assert 0 < json.loads(found.stdout)["matched"] < 100


def test_a_field_is_counted_and_not_the_whole_line(log, tmp_path):
    log.write_text(
        "".join(line(5, client_host=f"10.0.0.{n % 2}", customer_id="c", key=f"sk-{'a' * 20}{n % 2}") for n in range(40))
        + line(5, "startup")
    )
    done = opsctl(tmp_path, *GREP, "--by", "client_host", "--by", "customer_id")
    assert [row.split() for row in done.stdout.splitlines()[:2]] == [
        ["20", "50.0%", "10.0.0.0", "c"],
        ["20", "50.0%", "10.0.0.1", "c"],
    ]
    assert "1 more match and have no client_host and customer_id" in done.stdout
    told = json.loads(opsctl(tmp_path, *GREP, "--by", "key", "-o", "json").stdout)
    assert (told["different"], told["exact"], told["without"]) == (2, True, 1)
    assert told["values"][0]["value"] == ["[redacted]"]


def test_counters_are_bounded_and_say_so():
    from opsctl.cli.logs_count import Frequent
    from opsctl.clients.logline import read_line

    frequent = Frequent(["ip"], most=100)
    for n in range(5000):
        for value in ("often", f"once-{n}"):
            frequent.add(read_line(json.dumps({"ip": value}).encode(), 0.0))
    ((value,), count), *_ = frequent.top(1)
    assert (value, count) == ("often", 5000)
    assert frequent.different <= 100
    assert not frequent.exact


def test_tail_gives_the_end_also_of_the_file_before(log, tmp_path):
    with gzip.open(tmp_path / "app.log.1.gz", "wt") as packed:
        packed.write("".join(line(60, f"older {n}") for n in range(5)))
    log.write_text(
        line(1, "first", "error", password="hunter22") + "garbage \x1b[31m\n" + line(0, "last, without its end")[:-1]
    )
    done = opsctl(tmp_path, *TAIL, "-n", "4")
    assert done.returncode == 0, done.stderr
    rows = done.stdout.splitlines()
    assert ["older 4" in rows[0], "first" in rows[1], rows[2], "last, without" in rows[3]] == [
        True,
        True,
        "garbage",
        True,
    ]
    assert "hunter22" not in done.stdout
    rows = [json.loads(row) for row in opsctl(tmp_path, *TAIL, "-o", "json", "--level", "error").stdout.splitlines()]
    assert [row["level"] for row in rows] == ["error", None]
    assert opsctl(tmp_path, *TAIL, "-n", "0").stdout == ""


def test_tail_follows_through_rotation_until_ctrl_c(log, tmp_path):
    log.write_text("".join(line(1, f"before {n}") for n in range(9)))
    with following(tmp_path, *TAIL, "-f", "-n", "1") as run:
        assert "INFO before 8" in run.line()
        with log.open("a") as out:
            out.write(line(0, "appended"))
        assert "INFO appended" in run.line()
        log.rename(tmp_path / "app.log.1")
        log.write_text(line(0, "rotated"))
        assert "INFO rotated" in run.line()
        assert run.end(signal.SIGINT) == 0


@pytest.mark.parametrize(
    ("argv", "code", "says"),
    [
        (("grep", "po("), 64, "is not a regular expression (RE2)"),
        (("grep", "x", "--field", "status"), 64, "--field status is not NAME=VALUE"),
        (("grep", "x", "nolog"), 64, "nolog"),
        (("errors", "--level", "eror"), 64, "error"),
        (("errors", "--since", "0s"), 64, "--since must lie before the end of the window"),
        (("errors", "--read", "10"), 64, "is too little to read a log"),
        (("tail",), 69, "does not exist on this host"),
        (("errors",), 69, "does not exist on this host"),
    ],
)
def test_what_cannot_be_done_is_said(log, tmp_path, argv, code, says):
    done = opsctl(tmp_path, "logs", *argv, "-s", "vritti")
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert says in done.stderr


def test_pods_are_not_followed(tmp_path):
    done = opsctl(tmp_path, "logs", "tail", "orchestrator", "-f", "-s", "threads")
    assert done.returncode == 64
    assert "kubectl logs -f deployment/orchestrator" in done.stderr
    done = opsctl(tmp_path, "logs", "errors", "-s", "threads")
    assert done.returncode == 64
    assert "Name it: orchestrator, celery-worker, postgres." in done.stderr


def test_what_of_a_large_window_was_not_read_is_said(log, tmp_path):
    log.write_text("".join(line(14 - n / 2000, "x" * 200, "error") for n in range(5000)))
    done = opsctl(tmp_path, *ERRORS, "--read", "64KiB")
    assert " of the window were not read; it begins at " in done.stderr
    assert json.loads(opsctl(tmp_path, *ERRORS, "--read", "64KiB", "-o", "json").stdout)["complete"] is False

"""The simulated AGRO and its reranker: what times out, where, and how AGRO watches itself."""

from __future__ import annotations

import http.client
import json
import time

import pytest

from opsctl.lab import agro, agro_rerank, reranker
from opsctl.lab.agro_rerank import CONNECTIONS, Rerank, TimedOut
from opsctl.lab.agro_watch import MOST, Frequency, Receiver
from opsctl.lab.identity import HOST, free_ports
from opsctl.lab.metrics import Registry
from opsctl.lab.part import Switches
from opsctl.lab.plan import RELEASE
from opsctl.lab.web import Request


@pytest.fixture
def upstream():
    (port,) = free_ports(1)
    switches = Switches()
    reranker.start({"port": port}, switches)
    yield port, switches
    switches.set(frozenset())


def kinds(client: Rerank) -> dict[str, float]:
    return {kind: client.timeouts.get(kind, "reranker") for kind in ("pool", "connect", "read")}


def ask(client: Rerank) -> str:
    try:
        client.ask("/api/chat")
    except TimedOut as late:
        return late.kind
    return ""


def test_a_call_is_counted_with_its_tokens_and_cost(upstream):
    client = Rerank(upstream[0], Registry())
    assert ask(client) == ""
    assert client.tokens.get("/api/chat") == agro_rerank.TOKENS
    assert client.cost.get() > 0
    assert kinds(client) == {"pool": 0, "connect": 0, "read": 0}


def test_a_slow_reranker_an_unreachable_one_and_a_full_pool_are_three_kinds_of_timeout(upstream):
    port, switches = upstream
    client = Rerank(port, Registry())
    switches.set(frozenset({"rerank-slow"}))
    assert ask(client) == "read"
    switches.set(frozenset({"rerank-unreachable"}))
    begun = time.monotonic()
    assert ask(client) == "connect"
    assert time.monotonic() - begun > agro_rerank.DEADLINE * 0.9  # it hangs, it is not refused
    switches.set(frozenset())
    assert ask(client) == ""
    client.hold(CONNECTIONS)
    assert ask(client) == "pool"
    client.hold(0)
    assert ask(client) == ""
    client.deadline = agro_rerank.SHORT_DEADLINE
    assert ask(client) == "read"
    assert kinds(client) == {"pool": 1, "connect": 1, "read": 2}


def test_the_service_answers_keeps_what_the_reranker_said_and_fails_as_it_is_told(upstream, tmp_path):
    (port,) = free_ports(1)
    switches = Switches()
    settings = {"port": port, "reranker": upstream[0], "alerts": str(tmp_path / "alerts.jsonl"), "started": 1.0}
    agro.start({**settings, "release": RELEASE}, switches)
    link = http.client.HTTPConnection(HOST, port, timeout=10)

    def send(method: str, path: str, body: object = None) -> tuple[int, str]:
        link.request(method, path, None if body is None else json.dumps(body), {"X-Forwarded-For": "10.0.0.7"})
        answer = link.getresponse()
        return answer.status, answer.read().decode()

    assert send("GET", "/api/search?query=test")[0] == 200
    assert send("POST", "/api/chat", {"question": "test", "repo": "agro", "final_k": 5})[0] == 200
    for _ in range(5):
        assert send("GET", "/api/search?query=test")[0] == 200
    assert send("POST", "/api/chat", {"repo": "agro"})[0] == 422
    page = send("GET", "/metrics")[1]
    assert "agro_rerank_calls_total 2\n" in page
    assert 'agro_requests_total{client_ip="10.0.0.7",endpoint="/api/search"} 6' in page
    assert 'agro_errors_total{error_type="validation",endpoint="/api/chat"} 1' in page
    upstream[1].set(frozenset({"rerank-slow"}))
    assert send("GET", "/api/search?query=other")[0] == 504
    assert 'agro_timeouts_total{kind="read",upstream="reranker"} 1' in send("GET", "/metrics")[1]
    stats = json.loads(send("GET", "/monitoring/frequency-stats")[1])
    assert stats["tracked_clients"] == 1

    alert = {"labels": {"alertname": "TimeoutErrorSpike"}, "status": "firing"}
    assert send("POST", "/webhooks/alertmanager", {"status": "firing", "alerts": [alert]})[0] == 200
    status = json.loads(send("GET", "/webhooks/alertmanager/status")[1])
    assert (status["received"], status["firing"]) == (1, ["TimeoutErrorSpike"])
    assert json.loads((tmp_path / "alerts.jsonl").read_text())["alerts"] == [alert]

    switches.set(frozenset({"agro-page-500"}))
    assert send("GET", "/metrics")[0] == 500
    assert send("GET", "/api/search?query=test")[0] == 200


def test_a_client_that_calls_too_often_is_told_with_its_endpoint_and_since_when(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("opsctl.lab.agro_watch.time.monotonic", lambda: now[0])
    frequency = Frequency()
    for _ in range(int(MOST)):
        frequency.note("10.0.0.1", "/api/chat")
    ask_for = Request("GET", "/monitoring/frequency-stats", "", {}, b"", HOST)
    assert frequency.stats(ask_for).body == {"tracked_clients": 1, "high_frequency_clients": []}
    frequency.note("10.0.0.1", "/api/chat")
    frequency.note("10.0.0.2", "/api/chat")
    now[0] += 5
    (high,) = frequency.stats(ask_for).body["high_frequency_clients"]
    assert (high["client_ip"], high["endpoint"], high["calls_per_minute"]) == ("10.0.0.1", "/api/chat", 11)
    assert (high["duration_seconds"], high["alert_fired"]) == (5, False)
    now[0] += 120
    assert frequency.stats(ask_for).body == {"tracked_clients": 0, "high_frequency_clients": []}


def test_a_notification_that_cannot_be_stored_is_an_error(tmp_path):
    receiver = Receiver(str(tmp_path / "alerts.jsonl"), Switches())
    (tmp_path / "alerts.jsonl").unlink()
    (tmp_path / "alerts.jsonl").mkdir()
    assert receiver.receive(Request("POST", "/", "", {}, b'{"alerts": []}', HOST)).status == 500
    assert receiver.status(Request("GET", "/", "", {}, b"", HOST)).body["write_errors"] == 1

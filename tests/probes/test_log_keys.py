"""log.keys: whose key it is and where it is used from; what it must not take for theft."""

from __future__ import annotations

import json
import time
from pathlib import Path

import msgspec
import pytest

from opsctl.errors import CouldNotLook, NotConfigured
from opsctl.probes.key_uses import address_of, normal
from opsctl.probes.log_keys import KeysParams, keys
from opsctl.services.model import LogFile, Profile
from tests.fakes.endpoints import look_at, says, states

NOW = 1795230432.0
HOME, OFFICE, THIEF = "198.51.100.23", "198.51.100.24", "203.0.113.50"


class Log:
    """An access log, written line by line; times are seconds before now."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[tuple[float, dict[str, object]]] = []

    def add(self, key: str, source: str, times: int, *, begin: float, end: float = 0.0, **more: object) -> Log:
        for number in range(times):
            ago = begin - (begin - end) * number / max(1, times)
            line = {"customer_id": f"of-{key}", "key_id": key, "method": "POST", "path": "/api/v1/search",
                    "status_code": 200, "client_host": source, **more}  # fmt: skip
            self.lines.append((ago, line))
        return self

    def look(self, settings: dict[str, str] | None = None, **params: object):
        self.lines.sort(key=lambda item: -item[0])
        with self.path.open("w") as file:
            for ago, line in self.lines:
                stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW - ago))
                file.write(json.dumps({"timestamp": stamp, "event": "request", **line}) + "\n")
        profile = Profile(
            service="mine", logs={"app": LogFile(path=str(self.path), format="json")}, settings=settings or {}
        )
        return keys(look_at({}, profile, now=NOW), msgspec.convert({"within": "5m", **params}, KeysParams))


@pytest.fixture
def log(tmp_path):
    """Two customers that have worked from their own addresses for two hours."""
    log = Log(tmp_path / "app.log")
    return log.add("key_a", HOME, 240, begin=7200).add("key_b", OFFICE, 240, begin=7200)


def breaches(seen) -> set[str]:
    return {id for id, state in states(seen).items() if state == "breach"}


def test_ordinary_use_is_ok(log):
    seen = log.look()
    assert breaches(seen) == set()
    assert set(states(seen).values()) == {"ok"}


def test_a_key_from_a_new_address_beside_its_owner(log):
    seen = log.add("key_a", THIEF, 20, begin=120).look()
    assert breaches(seen) == {"log.key-shared"}
    assert says(seen, "log.key-shared").startswith("key_a is used from 203.0.113.50 since 03:05:12 UTC, while 198.51")
    assert seen.findings[0].severity == "sev1"


def test_a_customer_that_moved(tmp_path):
    log = Log(tmp_path / "app.log").add("key_a", HOME, 200, begin=7200, end=200).add("key_a", THIEF, 10, begin=190)
    seen = log.look()
    assert breaches(seen) == {"log.key-moved"}
    assert says(seen, "log.key-moved").endswith("and no longer from 198.51.100.23")


def test_an_owner_that_is_seldom_seen_has_not_moved_yet(tmp_path):
    log = Log(tmp_path / "app.log").add("key_a", HOME, 40, begin=7200, end=100).add("key_a", THIEF, 9, begin=60)
    seen = log.look()
    assert states(seen)["log.key-shared"] == states(seen)["log.key-moved"] == "unknown too-few"
    assert says(seen, "log.key-shared").endswith("whether 198.51.100.23 goes on using it is not known yet")


def test_what_happened_before_the_window_is_over(log):
    assert breaches(log.add("key_a", THIEF, 20, begin=3000, end=1000).look()) == set()


def test_a_new_key_has_no_usual_address_yet(tmp_path):
    log = Log(tmp_path / "app.log").add("key_a", HOME, 10, begin=200).add("key_a", OFFICE, 10, begin=100)
    assert breaches(log.look()) == set()
    assert breaches(log.look(usual=5)) == {"log.key-shared"}


def test_a_key_that_many_addresses_use_tells_nothing_by_one_more(log):
    for number in range(6):
        log.add("key_a", f"198.51.100.{100 + number}", 40, begin=7000)
    assert breaches(log.add("key_a", THIEF, 5, begin=60).look()) == set()


def test_our_own_requests_are_no_theft(log):
    log.add("key_a", "127.0.0.1", 5, begin=60).add("key_a", "192.0.2.9", 5, begin=60)
    assert breaches(log.look()) == {"log.key-shared"}
    assert breaches(log.look({"known_addresses": "192.0.2.8, 192.0.2.9"})) == set()


def test_refused_requests_with_a_key_are_no_use_of_it(log):
    assert breaches(log.add("key_a", THIEF, 20, begin=60, status_code=403).look()) == set()


def test_guessed(log):
    log.add("", THIEF, 12, begin=100, end=50, status_code=401)
    assert breaches(log.look()) == set()
    log.add("key_a", THIEF, 1, begin=20)
    seen = log.look()
    assert "log.key-guessed" in breaches(seen)
    assert "was refused 12 times and let in at" in says(seen, "log.key-guessed")
    assert "log.key-guessed" not in breaches(log.look(guesses=20))


def test_an_owner_whose_old_key_was_refused_guesses_nothing(log):
    log.add("", HOME, 30, begin=100, status_code=401)
    assert breaches(log.look()) == set()


def test_walking_through_ids(log):
    for number in range(30):
        log.add("key_a", HOME, 1, begin=90, path=f"/api/v1/episodes/{number}", status_code=404)
    assert breaches(log.look(times=9)) == {"log.key-enumerates"}
    for number in range(30, 70):
        log.add("key_b", OFFICE, 1, begin=90, path=f"/api/v1/episodes/{number}")  # its own: they are there
    assert says(log.look(), "log.key-enumerates").startswith("key_a")


def test_one_key_is_loud(log):
    seen = log.add("key_a", HOME, 300, begin=200).look()
    assert breaches(seen) == {"log.key-volume"}
    assert "times its usual number, from 198.51.100.23" in says(seen, "log.key-volume")


def test_all_keys_loud_is_traffic_and_no_key(log):
    assert breaches(log.add("key_a", HOME, 300, begin=200).add("key_b", OFFICE, 300, begin=200).look()) == set()


def test_how_much_is_usual_is_not_known_in_a_young_log(tmp_path):
    log = Log(tmp_path / "app.log").add("key_a", HOME, 300, begin=300)
    assert states(log.look())["log.key-volume"] == "unknown too-few"


def test_administration_from_somewhere_else(log):
    admin = {"customer_id": "admin", "key_id": "admin", "path": "/api/v1/customers/c1", "method": "GET"}
    log.add("admin", "198.51.100.5", 50, begin=7200, **admin)
    assert breaches(log.look()) == set()
    log.add("admin", THIEF, 5, begin=100, **admin)
    assert breaches(log.look()) == {"log.admin-new-source"}
    log.add("admin", THIEF, 1, begin=50, **{**admin, "method": "POST", "path": "/api/v1/customers/c1/api-keys"})
    seen = log.look()
    assert breaches(seen) == {"log.admin-new-source", "log.admin-changes"}
    assert "POST /api/v1/customers/c1/api-keys" in says(seen, "log.admin-changes")


def test_a_key_reported_as_leaked(log):
    assert "log.key-reported" in breaches(log.look(reported="key_a"))
    assert states(log.look(reported="key_z"))["log.key-reported"] == "ok"


def test_without_key_ids_customers_stand_for_their_keys(tmp_path):
    log = Log(tmp_path / "app.log").add("", HOME, 600, begin=7200).add("", THIEF, 9, begin=60)
    seen = log.look()
    assert breaches(seen) == {"log.key-shared"}
    assert any("names no key_id" in str(value.value) for value in seen.evidence[0].values)


def test_forwarded_addresses_count_behind_a_named_proxy_only():
    line = {"client_host": "10.0.0.1", "forwarded_for": "203.0.113.9, 10.0.0.2"}
    assert address_of(line, frozenset()) == "10.0.0.1"
    assert address_of(line, frozenset({"10.0.0.1", "10.0.0.2"})) == "203.0.113.9"
    assert address_of({**line, "client_host": "192.0.2.1"}, frozenset({"10.0.0.1"})) == "192.0.2.1"
    assert normal("::ffff:192.0.2.1") == "192.0.2.1"
    assert normal("[2001:DB8::1]") == "2001:db8::1"
    assert normal("testclient") == "testclient"


def test_no_key_is_shown(log):
    log.add("key_a", THIEF, 20, begin=120, api_key="em_live_abcdef123456", headers="X-API-Key: em_live_abcdef123456")
    assert "em_live" not in msgspec.json.encode(log.look()).decode()


def test_a_log_that_tells_nothing(tmp_path):
    log = Log(tmp_path / "app.log")
    with pytest.raises(CouldNotLook) as caught:
        log.add("key_a", "", 5, begin=60).look()
    assert caught.value.reason == "no-data"
    with pytest.raises(CouldNotLook, match="no request of the last 5m"):
        Log(tmp_path / "app.log").add("key_a", HOME, 5, begin=4000, end=3000).look()
    with pytest.raises(NotConfigured):
        keys(look_at({}, Profile(service="mine")), KeysParams())

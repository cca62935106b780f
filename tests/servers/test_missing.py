"""A server that is not there: skipped with the reason and counted, or a failure where it is required."""

from __future__ import annotations

import pytest

from tests import conftest
from tests.servers import programs, used

MISSING = programs.Missing("no redis-server on this machine", "apt-get install redis-server")


def test_a_missing_server_skips_and_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPSCTL_TEST_REQUIRE", raising=False)
    monkeypatch.setattr(used, "not_run", {})
    for _ in range(2):
        with pytest.raises(pytest.skip.Exception, match="no redis-server"):
            conftest.skip_or_fail("redis", MISSING)
    assert used.not_run == {MISSING: 2}


@pytest.mark.parametrize("required", ["redis", "kube, redis", "all"])
def test_a_required_server_that_is_missing_fails(monkeypatch: pytest.MonkeyPatch, required: str) -> None:
    monkeypatch.setenv("OPSCTL_TEST_REQUIRE", required)
    with pytest.raises(pytest.fail.Exception, match="apt-get install redis-server"):
        conftest.skip_or_fail("redis", MISSING)


def test_a_misspelt_requirement_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSCTL_TEST_REQUIRE", "promethues")
    with pytest.raises(pytest.UsageError, match="promethues; known are alertmanager"):
        conftest.required()


def test_what_a_body_alone_needs_is_skipped_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPSCTL_TEST_REQUIRE", raising=False)
    monkeypatch.setattr(used, "not_run", {})
    monkeypatch.setattr(programs, "find", lambda server: MISSING)
    with pytest.raises(pytest.skip.Exception):
        programs.found("redis")

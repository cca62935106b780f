"""signal.few on two scrapes of a page: a ratio of a handful, of many, of none."""

from __future__ import annotations

import pytest

from opsctl.errors import NotConfigured
from tests.probes.test_signal_bounds import page
from tests.signals.pages import only, run


def hits(found: float, missed: float) -> str:
    return f"hits {found}\nmisses {missed}"


@pytest.mark.parametrize(
    ("second", "state"),
    [(hits(10, 20), "breach"), (hits(100, 99), "breach"), (hits(100, 100), "ok"), (hits(0, 0), "breach")],
)
def test_events_behind_a_ratio_are_counted(second: str, state: str) -> None:
    with page(hits(0, 0), second) as look:
        found = only(run("signal.few", look, signal="cache_hit_ratio", finding="local.few"))
    assert (found.id, found.state) == ("local.few", state), found.says


def test_a_gauge_counts_nothing_and_an_undefined_signal_is_not_configured() -> None:
    with page("depth 5", "depth 5") as look:
        assert only(run("signal.few", look, signal="queue_depth", finding="local.few")).reason == "unsupported"
        with pytest.raises(NotConfigured):
            run("signal.few", look, signal="nothing", finding="local.few")

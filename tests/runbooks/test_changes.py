"""Which changes a report shows, and which one first."""

from datetime import UTC, datetime, timedelta

from opsctl.model import Change
from opsctl.runbooks.changes import ranked

NOW = 1_800_000_000.0
ONSET = datetime.fromtimestamp(NOW - 600, UTC)


def change(seconds: float, says: str = "started", *, until: float | None = None, subject: str = "db") -> Change:
    """A change so many seconds after the onset."""
    end = None if until is None else ONSET + timedelta(seconds=until)
    return Change(at=ONSET + timedelta(seconds=seconds), system="postgres", subject=subject, says=says, until=end)


def order(*changes: Change, since: float = 1800.0) -> list[tuple[str, int, float | None]]:
    return [(c.says, c.rank, c.offset) for c in ranked(changes, now=NOW, since=since, onset=ONSET)]


def test_the_nearest_to_the_onset_comes_first():
    found = order(change(-600, "a"), change(-240, "b"), change(-1200, "c"))
    assert found == [("b", 1, -240.0), ("a", 2, -600.0), ("c", 3, -1200.0)]


def test_a_cause_comes_before_its_effect():
    assert [says for says, _, _ in order(change(120, "after"), change(-120, "before"))] == ["before", "after"]
    assert [says for says, _, _ in order(change(120, "after"), change(-200, "before"))] == ["before", "after"]
    assert [says for says, _, _ in order(change(60, "after"), change(-1500, "long before"))] == ["after", "long before"]


def test_an_onset_is_known_no_better_than_clocks_and_scrapes():
    assert [says for says, _, _ in order(change(10, "just after"), change(-60, "before"))] == ["just after", "before"]


def test_only_the_time_looked_at():
    early, late = change(-2000, "before it"), change(700, "in the future")
    assert order(early, late) == []
    assert len(order(early, since=3600)) == 1


def test_what_still_holds_counts_though_it_began_long_before():
    assert order(change(-90_000, "silence", until=7200)) == [("silence", 1, -90000.0)]
    assert order(change(-90_000, "silence", until=-80_000)) == []


def test_without_an_onset_the_newest_comes_first_and_nothing_is_ranked():
    given = (change(-300, "old"), change(300, "new"))
    placed = ranked(given, now=NOW, since=1800, onset=ONSET)
    again = ranked(placed, now=NOW, since=1800)  # as a replay does
    assert [(c.says, c.rank, c.offset) for c in again] == [("new", 0, None), ("old", 0, None)]


def test_one_restart_told_by_two_probes_is_one_change():
    assert len(order(change(-60), change(-59.2))) == 1
    assert len(order(change(-60), change(-50))) == 2
    assert len(order(change(-60), change(-60, subject="other"))) == 2

"""`opsctl runbook new`: what it writes passes the lint at once."""

from __future__ import annotations

import pytest

from opsctl.config.places import built_in
from opsctl.errors import CannotWrite, UsageError
from opsctl.runbooks.find import find
from opsctl.runbooks.lint import lint_all
from opsctl.runbooks.load import load_file
from opsctl.runbooks.new import runbook_start, write_start


def test_a_new_runbook_passes_the_lint(tmp_path):
    text, notes = runbook_start("queue-growing", None, [built_in()])
    path = write_start(tmp_path, "queue-growing", text)
    assert lint_all([tmp_path, built_in()], ["queue-growing"]) == []
    book = load_file(path).runbook
    assert (book.title, book.alerts[0].alertname, notes) == ("Queue growing", "QueueGrowing", ())
    assert [use.probe for use in book.diagnosis][:2] == ["signal.objectives", "symptom.shown"]


@pytest.mark.parametrize("origin", sorted(find([built_in()])))
def test_a_copy_of_any_runbook_passes_the_lint(tmp_path, origin):
    before = lint_all([built_in()], [origin])
    text, _ = runbook_start("mine", origin, [built_in()])
    path = write_start(tmp_path, "mine", text)
    assert [p.says for p in lint_all([tmp_path, built_in()], ["mine"])] == [p.says for p in before]
    book, other = load_file(path).runbook, load_file(built_in() / f"{origin}.yaml").runbook
    assert [alert.alertname for alert in book.alerts] == (["Mine"] if other.alerts else [])
    assert (book.diagnosis, book.causes, book.rows) == (other.diagnosis, other.causes, ())
    assert book.parameters == other.parameters
    assert "$schema" not in text


def test_from_an_alert(tmp_path):
    text, notes = runbook_start("slow-search", "SearchSlow", [built_in()])
    path = write_start(tmp_path, "slow-search", text)
    assert load_file(path).runbook.alerts[0].alertname == "SearchSlow"
    assert notes == ()
    _, notes = runbook_start("mine", "HighLatencyP99", [built_in()])
    assert "high-latency already" in notes[0]


@pytest.mark.parametrize("name", ["", "Queue", "queue growing", "../queue", "-queue", "1queue", "q" * 64])
def test_names_that_no_runbook_may_have(name):
    with pytest.raises(UsageError, match="cannot name a runbook"):
        runbook_start(name, None, [])


def test_a_misspelt_origin(tmp_path):
    with pytest.raises(UsageError) as error:
        runbook_start("mine", "high-latncy", [built_in()])
    assert "Did you mean high-latency?" in error.value.sentence()
    with pytest.raises(UsageError, match="neither a runbook nor an alert"):
        runbook_start("mine", "a: b\n", [built_in()])


def test_nothing_is_overwritten(tmp_path):
    path = write_start(tmp_path / "new" / "folder", "mine", "a")
    with pytest.raises(UsageError, match="there already"):
        write_start(path.parent, "mine", "b")
    assert path.read_text() == "a"
    with pytest.raises(CannotWrite):
        write_start(path, "mine", "b")

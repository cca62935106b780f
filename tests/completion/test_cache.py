"""Ordinary commands keep the small files that completion reads."""

from tests.acceptance.session import Session


def test_listing_refreshes_the_names(tmp_path):
    session = Session(tmp_path)
    folder = tmp_path / "home" / ".cache" / "opsctl" / "complete"
    session.opsctl("service", "list", check=(0,))
    session.opsctl("runbook", "list", check=(0,))
    assert "vritti" in (folder / "service").read_text().split()
    assert "high-latency" in (folder / "runbook").read_text().split()


def test_contexts_too(tmp_path):
    session = Session(tmp_path)
    (tmp_path / "opsctl.yaml").write_text("contexts: {prod: {}, staging: {}}\n")
    session.opsctl("context", "list", check=(0,))
    folder = tmp_path / "home" / ".cache" / "opsctl" / "complete"
    assert (folder / "context").read_text() == "prod\nstaging\n"


def test_a_folder_that_cannot_be_written_costs_no_answer(tmp_path):
    session = Session(tmp_path, XDG_CACHE_HOME="/proc/nowhere")
    session.opsctl("runbook", "list", check=(0,))

"""Reports as one finds them: whole, torn, edited, of other versions, and files that are no reports at all."""

from __future__ import annotations

import json
import os
from pathlib import Path

import msgspec
import pytest

from opsctl.errors import BadData, UsageError
from opsctl.model import Evidence
from opsctl.report.as_json import encode
from opsctl.report.read import LIMIT, decode, read_report
from opsctl.report.store import names, rows, save
from tests.report.sample import AT, critical


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "reports"


@pytest.fixture
def saved(folder) -> Path:
    return save(critical(), folder)


def again(path: Path, **changes: object) -> bytes:
    """The file with fields changed by hand, the seal as it was."""
    return json.dumps(json.loads(path.read_bytes()) | changes).encode()


def test_what_was_saved_is_read_back(folder, saved):
    kept = read_report(saved.stem, folder)
    assert kept.notes == ()
    assert kept.whole
    assert msgspec.structs.replace(kept.report, seal="") == critical()
    assert saved.stat().st_mode & 0o777 == 0o600
    assert read_report("last", folder) == kept
    assert read_report(str(saved), folder) == kept
    assert read_report(saved.name, folder) == kept


def test_the_file_is_json_with_a_line_for_each_field(saved):
    lines = saved.read_text().splitlines()
    assert lines[0] == '{"schema":"opsctl.report/2",'
    assert len(lines) == len(json.loads(saved.read_text()))


def test_layout_and_order_of_keys_do_not_break_the_seal(saved):
    raw = json.loads(saved.read_bytes())
    for body in (json.dumps(raw, indent=2), json.dumps(dict(reversed(raw.items())), ensure_ascii=False)):
        assert decode(body.encode(), saved).notes == ()


def test_a_second_report_of_the_same_second_overwrites_nothing(folder, saved):
    other = save(critical(verdict="ok"), folder)
    assert other.stem == f"{saved.stem}-1"
    assert read_report(saved.stem, folder).report.verdict == "critical"
    assert read_report("last", folder).report.verdict == "ok"


@pytest.mark.parametrize(
    "changes",
    [{"says": "vritti: all is well"}, {"verdict": "ok"}, {"causes": []}, {"notes": ["more"]}, {"measured": None}],
)
def test_an_edited_report_is_found_out_and_still_shown(saved, changes):
    kept = decode(again(saved, **changes), saved)
    assert "edited after it was written" in kept.notes[0]
    assert kept.whole


def test_a_report_without_its_seal_is_told_about(saved):
    assert "no seal" in decode(again(saved, seal=""), saved).notes[0]


def test_an_edit_that_breaks_the_shape_loses_only_that(saved):
    evidence = json.loads(saved.read_bytes())["evidence"]
    kept = decode(again(saved, evidence=[evidence[0], {"subject": 7}], seconds="long"), saved)
    assert not kept.whole
    assert "the field seconds, 1 of 2 entries of evidence" in kept.notes[-1]
    assert len(kept.report.evidence) == 1
    assert kept.report.causes == critical().causes
    with pytest.raises(BadData, match="Invalid enum value 'fine'"):
        decode(again(saved, verdict="fine"), saved)


def test_odd_times_in_an_edited_report(saved):
    kept = decode(again(saved, started_at="2026-11-21T03:07:12"), saved)
    assert kept.report.started_at == AT
    for odd in ({"started_at": "0001-01-01T00:00:00+14:00"}, {"looks_back": 1e300}):
        with pytest.raises(BadData):
            decode(again(saved, **odd), saved)


def test_a_newer_schema_is_named_and_shown_as_far_as_known(saved):
    raw = json.loads(saved.read_bytes())
    raw["evidence"][0]["colour"] = "red"
    kept = decode(json.dumps(raw | {"schema": "opsctl.report/3", "mood": "bad"}).encode(), saved)
    assert "of the newer schema opsctl.report/3; this opsctl knows opsctl.report/2" in kept.notes[-1]
    assert "the field mood" in kept.notes[-1]
    assert kept.report.evidence == critical().evidence
    kept = decode(
        json.dumps(raw | {"schema": "opsctl.report/12", "findings": [{"id": "a", "state": "odd"}]}).encode(), saved
    )
    assert "1 of 1 entries of findings" in kept.notes[-1]
    assert kept.report.verdict == "critical"


def test_a_newer_schema_without_anything_new_is_named_too(saved):
    notes = decode(again(saved, schema="opsctl.report/3"), saved).notes
    assert any("newer schema opsctl.report/3" in note and "all that it knows is shown" in note for note in notes)


def test_an_older_schema_is_read(saved):
    raw = json.loads(saved.read_bytes())
    for name in ("probes", "readings", "histories", "override", "chosen", "looks_back", "replayed_from", "seal"):
        del raw[name]
    kept = decode(json.dumps(raw | {"schema": "opsctl.report/1"}).encode(), saved)
    assert kept.whole
    assert kept.report.causes == critical().causes
    assert "of the older schema opsctl.report/1" in kept.notes[0]


def test_torn_anywhere_it_is_said_and_nothing_is_made_up(saved):
    body = saved.read_bytes()
    whole = critical()
    shown = 0
    refused: list[BadData] = []
    for end in range(1, len(body) - 2, 7):
        try:
            kept = decode(body[:end], saved)
        except BadData as error:
            refused.append(error)
            continue
        shown += 1
        assert not kept.whole
        assert "the report is torn" in kept.notes[0]
        assert (kept.report.verdict, kept.report.says) == (whole.verdict, whole.says)
        for name in ("causes", "findings", "evidence", "measured"):
            assert getattr(kept.report, name) in (getattr(whole, name), (), None), name
    assert shown > 100
    assert all(error.code == 65 and saved.name in error.place for error in refused)


def test_torn_in_indented_json(saved):
    body = json.dumps(json.loads(saved.read_bytes()), indent=2).encode()
    kept = decode(body[: len(body) // 2], saved)
    assert kept.report.says == critical().says
    assert f"{saved.name}:" in kept.notes[0]


def test_torn_in_the_head_it_tells_what_it_says(saved):
    body = saved.read_bytes()
    with pytest.raises(BadData) as error:
        decode(body[: body.index(b'"started_at"') + 5], saved)
    assert critical().says in error.value.sentence()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "the file is empty"),
        (b" \n ", "the file is empty"),
        (b"{}", "not a report of opsctl"),
        (b"[1, 2]", "not a report of opsctl"),
        (b'{"schema": "other/1"}', "not a report of opsctl"),
        (b'"opsctl.report/2"', "not a report of opsctl"),
        (b"verdict: ok", "this is not JSON"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"# vritti: high-latency", "Markdown"),
        (b"\xff\xfe\x00\x01", "this is not JSON"),
        (b"[" * 100_000, "this is not JSON"),
        (b'{"schema": "opsctl.report/2", "a": ' + b"[" * 100_000, "the report is torn"),
        (b'{"schema": "opsctl.report/2"}', "not a report as opsctl.report/2 describes it"),
        (b'{"schema": "opsctl.report/9"}', "of the newer schema opsctl.report/9"),
        (b'{"schema": "opsctl.report/x"}', "of the newer schema opsctl.report/x"),
    ],
    ids=lambda value: value[:24].decode("latin-1") if isinstance(value, bytes) else "",
)
def test_what_is_no_report(content, says, tmp_path):
    path = tmp_path / "some.json"
    path.write_bytes(content)
    with pytest.raises(BadData, match=says) as error:
        read_report(str(path), tmp_path)
    assert "some.json" in error.value.sentence()
    assert "\n" not in error.value.sentence()


def test_files_that_cannot_be_read(folder, saved, tmp_path):
    def says(where: object) -> str:
        with pytest.raises(BadData) as error:
            read_report(str(where), folder)
        return error.value.sentence()

    assert "no such report" in says(tmp_path / "gone.json")
    assert "a folder" in says(folder)
    assert "no such report" in says(saved / "below.json")
    pipe = tmp_path / "pipe.json"
    os.mkfifo(pipe)
    assert "a pipe or device" in says(pipe)
    assert "a pipe or device" in says("/dev/zero")
    huge = tmp_path / "huge.json"
    with huge.open("wb") as file:
        file.truncate(100 * 2**20)
    assert f"the file has 100 MiB; a report has at most {LIMIT // 2**20} MiB" in says(huge)
    assert "no report" in says("a\0b.json") or "cannot be read" in says("a\0b.json")


def test_a_report_that_may_not_be_read(folder, saved, monkeypatch):
    saved.chmod(0)
    if os.geteuid() == 0:  # root may read it all the same

        def refuse(*args: object) -> None:
            raise PermissionError(13, "Permission denied", str(saved))

        monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(BadData, match="may not be read"):
        read_report(saved.stem, folder)


def test_a_misspelt_name_gets_the_nearest(folder, saved):
    with pytest.raises(UsageError) as error:
        read_report(saved.stem.replace("vritti", "vriti"), folder)
    assert f"Did you mean {saved.stem}?" in error.value.sentence()
    with pytest.raises(UsageError, match="there is no report") as error:
        read_report("x", folder)
    assert "report list" in error.value.sentence()


def test_last_of_nothing(folder):
    with pytest.raises(BadData, match="no report is saved yet"):
        read_report("last", folder)


def test_terminal_escapes_in_a_report_do_not_reach_the_terminal(saved):
    kept = decode(encode(critical(says="a\x1b[2Jb\u202e", evidence=(Evidence(subject="\x07x", source="y"),))), saved)
    assert kept.report.says == "ab"
    assert kept.report.evidence[0].subject == "x"
    assert kept.notes == ()


def test_the_list_is_newest_first_and_reads_only_the_beginning(folder):
    old = save(critical(started_at=AT.replace(hour=1), verdict="ok", severity=None, says="vritti: fine"), folder)
    new = save(critical(), folder)
    (folder / "2026-11-21T02-00-00-broken.json").write_text("{")
    (folder / "notes.txt").write_text("mine")
    found = list(rows(folder))
    assert [row.name for row in found] == [new.stem, "2026-11-21T02-00-00-broken", old.stem]
    assert [row.verdict for row in found] == ["critical", None, "ok"]
    assert found[0].says == critical().says
    assert found[1].problem
    # what stands after the beginning does not matter for the list
    new.write_bytes(new.read_bytes()[:2000])
    assert next(rows(folder)).verdict == "critical"
    assert names(folder / "none") == []

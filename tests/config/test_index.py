"""The generated index speaks for a built-in file only while it is the very file that the index was made from."""

import shutil

import pytest

from opsctl.cli.run import run
from opsctl.config import index
from opsctl.config.places import built_in
from opsctl.runbooks.find import find
from opsctl.runbooks.index import asks, summary, titles
from opsctl.services.find import list_profiles
from opsctl.services.lint import lint_file


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package, so to speak: its built-in runbooks can be edited here."""
    folder = tmp_path / "opsctl" / "_runbooks"
    shutil.copytree(built_in(), folder)
    monkeypatch.setattr(index, "built_in", lambda: folder)
    monkeypatch.setattr(index, "PACKAGE", folder.parent)
    index._read.cache_clear()
    yield folder
    index._read.cache_clear()


@pytest.fixture
def without_index(monkeypatch):
    """Answers as they are when every file is read."""
    monkeypatch.setattr(index, "_read", dict)


def test_every_built_in_file_has_an_entry():
    folder = built_in()
    assert [n for n, path in find([folder]).items() if index.entry("runbooks", path) is None] == []
    assert [n for n, path in list_profiles([folder]).items() if index.entry("services", path) is None] == []


def test_a_file_that_was_edited_speaks_for_itself(package):
    path = package / "high-latency.yaml"
    before = titles([package])["high-latency"]
    text = path.read_text()
    path.write_text(text.replace(before, before[::-1], 1))
    assert len(path.read_text()) == len(text)  # the size alone would not tell
    assert index.entry("runbooks", path) is None
    assert titles([package])["high-latency"] == before[::-1]


def test_a_file_of_the_same_name_elsewhere_speaks_for_itself(package, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    shutil.copy(package / "high-latency.yaml", mine)
    shutil.copy(package / "index.json", mine)
    assert index.entry("runbooks", mine / "high-latency.yaml") is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"text"', b'{"runbooks": []}', b"\xff"])
def test_without_a_usable_index_the_files_are_read(package, content):
    expected = titles([package])
    (package / "index.json").write_bytes(content)
    index._read.cache_clear()
    assert index.entry("runbooks", package / "high-latency.yaml") is None
    assert titles([package]) == expected
    assert asks("signal.objectives") != ""


@pytest.mark.parametrize(
    "argv",
    [
        ["runbook", "list"],
        ["runbook", "show", "high-latency"],
        ["service", "list"],
        ["service", "list", "-o", "json"],
        ["diagnose", "--help"],
        ["diagnose", "high-latency", "--help"],
    ],
    ids=" ".join,
)
def test_the_index_says_what_the_files_say(argv, capfdbinary, monkeypatch):
    assert run(argv) == 0
    indexed = capfdbinary.readouterr()
    monkeypatch.setattr(index, "_read", dict)
    assert run(argv) == 0
    assert capfdbinary.readouterr() == indexed


def test_a_summary_holds_what_the_file_says(without_index):
    name = "high-latency"
    read = summary(name, [built_in()])
    assert read.parameters
    assert read.title == titles([built_in()])[name]


def test_a_checkout_is_always_checked_an_installed_package_when_it_was_edited(package, monkeypatch):
    path = package / "services" / "vritti.yaml"
    whole = lint_file(path, ())
    assert index.checked("services", path)
    with monkeypatch.context() as checkout:
        checkout.setattr(index, "PACKAGE", package.parent / "src")
        assert not index.checked("services", path)
        assert lint_file(path, ()) == whole
    path.write_text(path.read_text().replace("service: vritti", "service: vritty", 1))
    assert not index.checked("services", path)
    assert "error" in [problem.level for problem in lint_file(path, ())]

"""The wheel holds what opsctl needs, and works in an empty folder of a user without configuration."""

from __future__ import annotations

import importlib.metadata
import re
import zipfile
from pathlib import Path

import pytest

from opsctl import __version__
from tests.packaging.install import ROOT, build_wheel, clean_environment, install_wheel, run


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def opsctl(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_wheel(wheel, tmp_path_factory.mktemp("installed"))


@pytest.fixture
def stranger(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """An empty folder to work in, and the environment of a user with an empty home."""
    (tmp_path / "home").mkdir()
    (tmp_path / "empty").mkdir()
    return tmp_path / "empty", clean_environment(tmp_path / "home")


def test_the_wheel_holds_every_data_file_of_the_checkout(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    for folder, place in (("runbooks", "opsctl/_runbooks"), ("completions", "opsctl/_completions")):
        files = [path for path in (ROOT / folder).rglob("*") if path.is_file()]
        assert files
        assert {f"{place}/{path.relative_to(ROOT / folder)}" for path in files} <= inside
    code = {
        str(path.relative_to(ROOT)) for path in (ROOT / "opsctl").rglob("*") if path.suffix in (".py", ".sql", ".txt")
    }
    assert code <= inside
    licence = f"opsctl-{__version__}.dist-info/licenses/LICENSE"
    assert zipfile.ZipFile(wheel).read(licence) == (ROOT / "LICENSE").read_bytes()


def test_the_wheel_holds_nothing_else(wheel: Path) -> None:
    for name in zipfile.ZipFile(wheel).namelist():
        assert name.startswith(("opsctl/", f"opsctl-{__version__}.dist-info/")), name
        assert not name.endswith((".pyc", ".pth", ".orig", "~")), name


def test_an_installed_opsctl_knows_its_version(opsctl: Path, stranger: tuple[Path, dict[str, str]]) -> None:
    folder, env = stranger
    assert run([opsctl, "--version"], folder, env) == f"opsctl {__version__}\n"
    assert run([opsctl.parent / "python", "-m", "opsctl", "--version"], folder, env) == f"opsctl {__version__}\n"


def test_an_installed_opsctl_has_its_runbooks_and_services(opsctl: Path, stranger: tuple[Path, dict[str, str]]) -> None:
    folder, env = stranger
    runbooks = run([opsctl, "runbook", "list"], folder, env)
    assert "high-latency" in runbooks
    assert "high-error-rate" in runbooks
    services = run([opsctl, "service", "list"], folder, env)
    for service in ("agro", "amas", "insa", "threads", "vritti"):
        assert re.search(rf"\b{service}\b", services)
    assert "high-latency" in run([opsctl, "diagnose", "--help"], folder, env)
    assert list(folder.iterdir()) == []


def test_no_dependency_runs_code_at_every_start_of_python() -> None:
    pinned = re.findall(r"^([a-z0-9._-]+)==", (ROOT / "requirements" / "test.txt").read_text(), re.M)
    for name in pinned:
        try:
            files = importlib.metadata.files(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue  # pinned for older Pythons only
        for file in files:
            if str(file).endswith(".pth"):
                text = Path(str(file.locate())).read_text()
                assert not re.search(r"^import\s", text, re.M), f"{name} runs code at every start: {text}"


def test_the_pinned_versions_name_no_index_and_all_have_hashes() -> None:
    text = (ROOT / "requirements" / "test.txt").read_text()
    assert not re.search(r"://|^-|index|trusted|localhost|(^|\s)/", text, re.M)
    for entry in re.split(r"\n(?=[a-z0-9])", text.partition("\n\n")[2] or text.split("test.txt\n", 1)[1]):
        assert "--hash=sha256:" in entry, entry


def test_the_pinned_versions_are_enough_for_every_supported_python() -> None:
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    pinned = set(re.findall(r"^([a-z0-9._-]+)==", (ROOT / "requirements" / "test.txt").read_text(), re.M))
    for name in sorted(pinned):
        try:
            asked = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue  # pinned for other Pythons only
        for requirement in map(Requirement, asked):
            if canonicalize_name(requirement.name) in pinned or requirement.marker is None:
                continue
            for version in ("3.11.2", "3.12.0", "3.13.0", "3.14.0"):
                for system, platform in (("Linux", "linux"), ("Darwin", "darwin")):
                    here = {
                        "python_version": version.rpartition(".")[0],
                        "python_full_version": version,
                        "platform_system": system,
                        "sys_platform": platform,
                        "extra": "",
                    }
                    assert not requirement.marker.evaluate(here), f"{name} needs {requirement}; run: make lock"


def test_the_pinned_versions_cover_what_the_project_asks_for() -> None:
    import tomllib

    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    pinned = dict(re.findall(r"^([a-z0-9._-]+)==([^\s\\]+)", (ROOT / "requirements" / "test.txt").read_text(), re.M))
    asked = project["build-system"]["requires"] + project["project"]["dependencies"]
    for group in [*project["project"]["optional-dependencies"].values(), *project["dependency-groups"].values()]:
        asked += group
    for text in asked:
        requirement = Requirement(text)
        if requirement.name != "opsctl":
            version = pinned.get(canonicalize_name(requirement.name))
            assert version is not None, f"{text} is not pinned: make lock"
            assert requirement.specifier.contains(version, prereleases=True), (
                f"{text} but {version} is pinned: make lock"
            )

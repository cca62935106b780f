"""The completion scripts, as a shell uses them. They never start Python."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BASH = ROOT / "completions" / "opsctl.bash"


def complete(line, tmp_path, env=None):
    """What bash offers at the end of ``line``."""
    words = line.split(" ")
    quoted = " ".join("'" + w + "'" for w in words)
    program = (
        f"source '{BASH}'; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _opsctl; "
        "printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", program],
        capture_output=True,
        text=True,
        env={"PATH": "/nowhere", "HOME": str(tmp_path), **(env or {})},
        executable=shutil.which("bash"),
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.split()


def cached(tmp_path, kind, names):
    folder = tmp_path / ".cache" / "opsctl" / "complete"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / kind).write_text("".join(f"{n}\n" for n in names))


def test_commands(tmp_path):
    assert "diagnose" in complete("opsctl ", tmp_path)
    assert complete("opsctl dia", tmp_path) == ["diagnose"]


def test_subcommands_also_after_root_options(tmp_path):
    assert complete("opsctl runbook l", tmp_path) == ["list", "lint"]
    assert complete("opsctl --context prod runbook sh", tmp_path) == ["show"]


def test_runbooks_are_offered_and_their_own_options_too(tmp_path):
    assert complete("opsctl diagnose high-l", tmp_path) == ["high-latency"]
    assert "--kyrodb-slow" in complete("opsctl diagnose high-latency --k", tmp_path)
    assert "--kyrodb-slow" not in complete("opsctl diagnose high-error-rate --k", tmp_path)


def test_names_of_services_come_from_the_cache_file(tmp_path):
    cached(tmp_path, "service", ["vritti", "amas", "my-own"])
    assert complete("opsctl diagnose high-latency -s m", tmp_path) == ["my-own"]
    assert sorted(complete("opsctl service show ", tmp_path)) == ["amas", "my-own", "vritti"]


def test_the_cache_follows_xdg(tmp_path):
    other = tmp_path / "elsewhere"
    (other / "opsctl" / "complete").mkdir(parents=True)
    (other / "opsctl" / "complete" / "context").write_text("prod\n")
    assert complete("opsctl --context ", tmp_path, {"XDG_CACHE_HOME": str(other)}) == ["prod"]


def test_a_users_own_runbook_is_offered_with_the_common_options(tmp_path):
    cached(tmp_path, "runbook", ["high-latency", "mine"])
    assert complete("opsctl diagnose mi", tmp_path) == ["mine"]
    assert "--service" in complete("opsctl diagnose mine --s", tmp_path)


def test_choices_of_an_option(tmp_path):
    assert complete("opsctl runbook list -o j", tmp_path) == ["json"]


def test_faults_of_the_lab(tmp_path):
    assert complete("opsctl lab break kyrodb-sl", tmp_path) == ["kyrodb-slow"]


def test_without_a_cache_there_are_fewer_suggestions_not_an_error(tmp_path):
    assert complete("opsctl service show ", tmp_path) == []


@pytest.mark.parametrize(
    ("shell", "script"),
    [
        ("bash", "opsctl.bash"),
        pytest.param("zsh", "_opsctl", marks=pytest.mark.needs("zsh")),
        pytest.param("fish", "opsctl.fish", marks=pytest.mark.needs("fish")),
    ],
)
def test_each_script_is_valid_for_its_shell(shell, script):
    done = subprocess.run([shell, "-n", str(ROOT / "completions" / script)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.needs("fish")
def test_fish_offers_the_same(tmp_path):
    cached(tmp_path, "service", ["my-own"])

    def offered(line):
        program = f"source '{ROOT}/completions/opsctl.fish'; complete -C '{line}'"
        done = subprocess.run(
            ["fish", "--no-config", "-c", program],
            capture_output=True,
            text=True,
            env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        )
        assert done.returncode == 0, done.stderr
        return [row.partition("\t")[0] for row in done.stdout.splitlines()]

    assert offered("opsctl dia") == ["diagnose"]
    assert sorted(offered("opsctl runbook l")) == ["lint", "list"]
    assert offered("opsctl diagnose high-latency -s my") == ["my-own"]
    assert "--kyrodb-slow" in offered("opsctl diagnose high-latency --kyro")

"""Version and top-level help come without Typer, and say the same as Typer would."""

import subprocess
import sys

import opsctl
from opsctl.cli.app import COMMANDS, load, tree


def run(*argv, cwd=None):
    return subprocess.run([sys.executable, "-m", "opsctl", *argv], capture_output=True, text=True, cwd=cwd, timeout=60)


def test_version(tmp_path):
    done = run("--version", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"opsctl {opsctl.__version__}\n", "")


def test_help_names_every_command(tmp_path):
    done = run("--help", cwd=tmp_path)
    assert done.returncode == 0
    for name in COMMANDS:
        assert f"\n  {name} " in done.stdout


def test_without_a_command_the_help_is_shown_and_it_is_a_usage_error(tmp_path):
    done = run(cwd=tmp_path)
    assert done.returncode == 64
    assert done.stdout == run("--help", cwd=tmp_path).stdout


def test_the_front_doors_help_is_the_live_one():
    context = tree().make_context("opsctl", [], resilient_parsing=True, max_content_width=80, terminal_width=80)
    assert run("--help").stdout.split() == tree().get_help(context).split()


def test_each_commands_short_help_is_its_modules_own():
    for name, entry in COMMANDS.items():
        first = " ".join((load(name).help or "").split())
        assert first.startswith(entry.help), name


def test_the_version_option_elsewhere_says_the_same(tmp_path):
    done = run("--config", "x", "--version", cwd=tmp_path)
    assert done.stdout == f"opsctl {opsctl.__version__}\n"

"""Everything generated from the program is what the program would generate now."""

from pathlib import Path

from opsctl.cli.generate import stale

ROOT = Path(__file__).resolve().parents[1]


def test_completions_help_schemas_and_pages_are_current():
    assert [str(p.relative_to(ROOT)) for p in stale(ROOT)] == [], "run `make docs`"

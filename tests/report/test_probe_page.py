"""A probe's page holds what a person who answers for the server wants to know, and matches the registry."""

import pytest

from opsctl.config.places import built_in
from opsctl.probes.registry import all_probes
from opsctl.report.probe_page import as_markdown, as_text, facts, parameters
from opsctl.runbooks.pages import uses_of

PROBES = all_probes()


@pytest.mark.parametrize("id", PROBES)
def test_every_probe_says_what_it_asks_what_it_costs_and_what_each_finding_means(id):
    page = as_markdown(PROBES[id], {})
    told = dict(facts(PROBES[id]))
    assert told["Asks"]
    assert told["Privilege"]
    assert told["Cost on the server"]
    assert PROBES[id].run.__doc__, "the first paragraph of the docstring is what the page says"
    for finding, meaning in PROBES[id].emits.items():
        assert f"- `{finding}`: {meaning}" in page
        assert meaning.strip()
    for name, kind, _ in parameters(PROBES[id]):
        assert f"| `{name}` | {kind} |" in page


def test_the_page_links_the_runbooks_that_use_the_probe():
    uses = uses_of([built_in()], "kyrodb.health")
    assert "high-latency" in uses
    assert "(../high-latency.md)" in as_markdown(PROBES["kyrodb.health"], uses)
    assert "Used by:" in as_text(PROBES["kyrodb.health"], uses)
    assert all(len(line) <= 80 for line in as_text(PROBES["kyrodb.health"], uses).splitlines())


def test_a_probe_that_nobody_uses_says_so():
    assert "no runbook here" in as_text(PROBES["kyrodb.health"], {})

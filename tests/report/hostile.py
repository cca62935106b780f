"""Reports whose every text was written by somebody hostile."""

from __future__ import annotations

from hypothesis import strategies as st

from opsctl.model import Report
from tests.report.sample import full

BAIT = (
    "<script>alert(1)</script>", "</title><img src=x onerror=alert(1)>", "<!--", "]]>", "&lt;b&gt;",
    '" onload="alert(1)',
    "[click](http://evil.example/)", "![x](http://evil.example/i.png)", "<http://evil.example>", "http://evil.example",
    "www.evil.example", "@everyone", "(@admin)", "org/repo#12", "| a | b |\n|---|---|", "\\|", "`", "```", "``` html",
    "~~~", "# big", "- item", "1. one", "> quote", "---", "===", "[x]: http://evil.example", "*", "**", "_x_", "$x$",
    "&#64;x", "<details>", "javascript:alert(1)", "mailto:a@b.example", "a@b.example", "\u202eabc", "\x1b[31mred",
    "\x00",
    "\t    indented", "\r\n\r\n# next", "</style><style>*{}", "{{7*7}}", "::1", ":tada:",
)  # fmt: skip

TEXT = st.lists(st.sampled_from(BAIT) | st.text(max_size=20), max_size=5).map("".join)


def _with(value: object, texts: list[str], keep: tuple[str, ...]) -> object:
    """The value with its free texts taken from ``texts`` in turn."""
    if isinstance(value, dict):
        return {k: v if k in keep else _with(v, texts, keep) for k, v in value.items()}
    if isinstance(value, list):
        return [_with(v, texts, keep) for v in value]
    if isinstance(value, str):
        texts.append(texts.pop(0))
        return texts[-1]
    return value


# What is no free text: times, states, and the ids that tie the parts together.
KEEP = ("started_at", "at", "since", "sampled_at", "state", "status", "verdict", "severity", "side", "comparison",
        "reason", "schema", "id", "evidence", "confirmed", "refuted", "not_measured", "mark", "series",
        "decides")  # fmt: skip


def hostile(texts: list[str]) -> Report:
    """The long sample report with all its free texts replaced, in turn."""
    import msgspec

    data = msgspec.to_builtins(full())
    evidence = data.pop("evidence")
    made = _with(data, list(texts), KEEP)
    made["evidence"] = _with(evidence, list(texts), tuple(k for k in KEEP if k != "evidence"))
    for before, after in zip(evidence, made["evidence"], strict=True):
        for old, new in zip(before["values"], after["values"], strict=True):
            new["name"] = old["name"]
    return msgspec.convert(made, Report)

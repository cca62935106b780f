"""A runbook as a page: the same source as the command, so that the two cannot differ."""

from __future__ import annotations

import textwrap

from opsctl.report.style import Style
from opsctl.runbooks.index import asks
from opsctl.runbooks.load import Loaded, needs_of
from opsctl.runbooks.model import CauseSpec, Mitigation, OkFinding, ProbeUse, Runbook


def as_text(loaded: Loaded, style: Style) -> str:
    """For a terminal."""
    book = loaded.runbook
    width = style.width
    parts = [style.paint(f"{book.runbook}: {book.title}", "bold")]
    for heading, body in (("Meaning", book.meaning), ("Impact", book.impact)):
        parts.append(style.paint(heading, "bold") + "\n" + _fill(body, width))
    if book.parameters:
        rows = [
            f"--{p.name.replace('_', '-')} {p.type.upper()}  {p.help}"
            + (f" (default {p.default})" if p.default is not None else "")
            for p in book.parameters
        ]
        parts.append(style.paint("Parameters", "bold") + "\n" + "\n".join(_item(r, width) for r in rows))
    parts.append(
        style.paint("Diagnosis", "bold") + "\n" + "\n".join(_item(_probe_line(u), width) for u in book.diagnosis)
    )
    parts.append(style.paint("Causes", "bold") + "\n" + "\n".join(_cause_text(c, width) for c in book.causes))
    if book.mitigation:
        rows = [_mitigation_text(book, m, width) for m in book.mitigation]
        parts.append(style.paint("Mitigation", "bold") + "\n" + "\n".join(rows))
    if book.escalate:
        parts.append(style.paint("Escalate", "bold") + "\n" + _fill(book.escalate, width))
    parts.append(f"Run it: opsctl diagnose {book.runbook} -s SERVICE\nFile: {loaded.path}")
    return "\n\n".join(parts) + "\n"


def as_markdown(book: Runbook) -> str:
    """The wiki page, under the headings people know."""
    lines = [f"# {book.runbook}", "", book.title, ""]
    if book.alerts:
        lines += ["Answers: " + ", ".join(f"`{a.alertname}`" for a in book.alerts), ""]
    lines += ["## Meaning", "", _one(book.meaning), "", "## Impact", "", _one(book.impact), ""]
    lines += ["## Diagnosis", "", f"    opsctl diagnose {book.runbook} -s SERVICE", ""]
    if book.parameters:
        lines += ["| option | default | meaning |", "| --- | --- | --- |"]
        for p in book.parameters:
            lines.append(f"| `--{p.name.replace('_', '-')}` | {'' if p.default is None else p.default} | {p.help} |")
        lines.append("")
    lines += ["It looks at:", ""]
    lines += [f"- {_probe_line(u, code=True)}" for u in book.diagnosis]
    lines += [
        "",
        "## Causes",
        "",
        "| cause | what it says | confirmed by | refuted by | next |",
        "| --- | --- | --- | --- | --- |",
    ]
    for c in book.causes:
        confirms = ", ".join(f"`{i}`" for i in c.confirms)
        refutes = ", ".join(f"`{r.ok}` ok" if isinstance(r, OkFinding) else f"`{r}`" for r in c.refutes)
        following = " ".join([*(f"`opsctl diagnose {t}`" for t in c.try_), _one(c.advice)]).strip()
        lines.append(f"| {c.cause} | {_one(c.says)} | {confirms} | {refutes} | {following} |")
    lines.append("")
    if book.mitigation:
        lines += [
            "## Mitigation",
            "",
            f"`opsctl remediate {book.runbook} -s SERVICE` says which of these would help; with an action it "
            "shows the plan. "
            "Nothing is changed before somebody says yes to that plan.",
            "",
            "| action | why | answers | services | done when |",
            "| --- | --- | --- | --- | --- |",
        ]
        lines += [_mitigation_row(m) for m in book.mitigation]
        lines.append("")
    if book.escalate:
        lines += ["## Escalate", "", _one(book.escalate), ""]
    return "\n".join(lines)


def _probe_line(use: ProbeUse, *, code: bool = False) -> str:
    mark = "`" if code else ""
    with_ = ", ".join(f"{k}={_value(v)}" for k, v in use.with_.items())
    asked = asks(use.probe)
    needs = f" (services with {', '.join(needs_of(use.needs))})" if use.needs else ""
    return f"{mark}{use.probe}{mark}{f' ({with_})' if with_ else ''}{f': {asked}' if asked else ''}{needs}"


def _value(value: object) -> str:
    if isinstance(value, dict) and "param" in value:
        return f"--{str(value['param']).replace('_', '-')}"
    if isinstance(value, list):
        return "/".join(str(v) for v in value)
    return str(value)


def _cause_text(cause: CauseSpec, width: int) -> str:
    lines = [_item(f"{cause.cause}: {_one(cause.says)}", width)]
    refutes = [f"{r.ok} is ok" if isinstance(r, OkFinding) else r for r in cause.refutes]
    lines.append(_item(f"confirmed by {', '.join(cause.confirms)}", width, "      "))
    if refutes:
        lines.append(_item(f"refuted by {', '.join(refutes)}", width, "      "))
    if cause.advice:
        lines.append(_item(f"then: {_one(cause.advice)}", width, "      "))
    return "\n".join(lines)


def mitigation_name(mitigation: Mitigation) -> str:
    """What its command is called: its own name, else the action's part after the dot."""
    return mitigation.command


def _answers(mitigation: Mitigation) -> str:
    return ", ".join(mitigation.causes or mitigation.when) or "any cause"


def _mitigation_text(book: Runbook, mitigation: Mitigation, width: int) -> str:
    name = mitigation_name(mitigation)
    lines = [_item(f"opsctl remediate {book.runbook} {name} -s SERVICE", width)]
    lines.append(_item(_one(f"{mitigation.says} Answers {_answers(mitigation)}."), width, "      "))
    return "\n".join(lines)


def _mitigation_row(mitigation: Mitigation) -> str:
    # the ids of runbooks/pages/actions: the page says what each sends, needs and undoes
    name = f"[{mitigation_name(mitigation)}](actions/{mitigation.action}.md)"
    answers = ", ".join(f"`{one}`" for one in mitigation.causes or mitigation.when)
    services = ", ".join(mitigation.services) or ", ".join(f"those with {need}" for need in needs_of(mitigation.needs))
    findings = ", ".join(f"`{one}` ok" for one in mitigation.verify.findings) or "what was broken is ok"
    return f"| {name} | {_one(mitigation.says)} | {answers} | {services or 'all'} | {findings} |"


def _one(text: str) -> str:
    return " ".join(text.split())


def _fill(text: str, width: int) -> str:
    return textwrap.fill(_one(text), width, initial_indent="  ", subsequent_indent="  ")


def _item(text: str, width: int, indent: str = "  ") -> str:
    return textwrap.fill(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=indent + "    ",
        break_long_words=False,
        break_on_hyphens=False,
    )

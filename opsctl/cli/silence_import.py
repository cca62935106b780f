"""``opsctl silence import``: bring silences back from a file, each once, each past the guards."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opsctl.cli import silence_options as given
from opsctl.cli.options import Format, Output
from opsctl.cli.result import Result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opsctl.cli.silence_where import Where
    from opsctl.silences.firing import Firing
    from opsctl.silences.transfer import Imported, Step


def import_(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(metavar="[FILE]", help="What export printed; - is standard input.")] = "-",
    allow: given.Allow = None,
    allow_count: given.AllowCount = None,
    url: given.Url = None,
    policy: given.PolicyFile = None,
    timeout: given.Timeout = "10s",
    output: Output = Format.text,
) -> Result:
    """Bring silences back from a file, each once.

    Those that are there already stay as they are, ended ones are left out.

    The policy's guards hold for each. Exit: 0 all are there, 2 one failed, 65 a bad file, 77 all that failed were
    refused.
    """
    from opsctl.cli.silence_where import opened, read_input, reasons
    from opsctl.silences.book import read
    from opsctl.silences.create import takes_annotations
    from opsctl.silences.transfer import carry_out, decode, plan

    body, name = read_input(file)
    items = decode(body, name)
    admitted = reasons(allow or [])
    with opened(ctx, url, timeout=timeout, policy=policy) as where:
        book = read(where.members, where.timeout)
        now = where.now + timedelta(seconds=book.skew)
        steps = plan(items, book, now)
        writer, _, _ = where.members.first(lambda one: one)
        keeps = any(item.annotations for item in items) and takes_annotations(writer, where.timeout)
        refused: list[str] = []
        fires = _fires_for(where, steps)

        def check(step: Step) -> str:
            says = _against(where, step, now, fires, admitted, allow_count)
            refused.extend([says] if says else [])
            return says

        done = carry_out(where.members, steps, now, where.timeout, annotations=keeps, check=check)
        failed = [one for one in done if one.failed]
        code = 0 if not failed else 77 if len(failed) == len(refused) else 2
        return Result(_import_data(done), "\n".join(_import_text(done)), output, exit=code)


def _fires_for(where: Where, steps: Sequence[Step]) -> Firing | None:
    """What fires, for the guards; None when nothing is to be sent. Raises Refused."""
    from opsctl.silences.firing import firing

    if not any(step.what in ("create", "extend") for step in steps):
        return None
    return firing(where.members, (), where.timeout)


def _against(
    where: Where, step: Step, now: datetime, fires: Firing | None, admitted: dict[str, str], allow_count: int | None
) -> str:
    """Why the policy refuses an item; "" when it does not."""
    import re

    from opsctl.silences.guard import refusals

    item = step.item
    pattern = where.policy.ticket_pattern
    found = re.search(pattern, item.comment) if pattern else None
    ticket = (item.annotations or {}).get("ticket", "") or (found.group(0) if found else "")
    against = refusals(
        where.policy,
        item.matchers,
        seconds=(item.ends_at - max(now, item.starts_at)).total_seconds(),
        comment=item.comment,
        ticket=ticket,
        firing=None if fires is None else [alert.labels for alert in fires.alerts],
        allowed=admitted,
        allow_count=allow_count,
    )
    return "; ".join(f"refused: {one.says}" for one in against)


def _import_data(done: Sequence[Imported]) -> dict[str, Any]:
    from opsctl.cli import silence_data

    rows = [{"of": one.step.item.id, "id": one.id, "what": one.step.what, "failed": one.failed} for one in done]
    return {"schema": silence_data.SCHEMA, "silences": rows}


def _import_text(done: Sequence[Imported]) -> list[str]:
    from opsctl.cli.silence_text import matchers, told

    words = {"create": "created", "there": "there already", "extend": "extended", "ended": "left out, ended"}
    lines: list[str] = []
    for one in done:
        word = "FAILED" if one.failed else words[one.step.what]
        lines.append(f"{word:<15} {one.id or one.step.item.id or '-'}  {matchers(one.step.item.matchers)}")
        lines += [f"{'':16}{told(one.failed)}"] if one.failed else []
    counts = [f"{number} {word}" for key, word in words.items() if (number := _count(done, key))]
    failed = sum(1 for one in done if one.failed)
    return [*lines, ", ".join([*counts, *([f"{failed} failed"] if failed else [])]) or "The file holds no silence."]


def _count(done: Sequence[Imported], what: str) -> int:
    return sum(1 for one in done if one.step.what == what and not one.failed)

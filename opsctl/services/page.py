"""All bindings of a service as a page to read: what ``opsctl service show`` prints."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from opsctl.redact import printable, redact
from opsctl.services.model import Profile
from opsctl.services.resolve import Placed
from opsctl.services.words import band_says, runbooks_of, signal_says, unit_of_signal

Heading = Callable[[str], str]
_GLUE = "\x1f"  # keeps a short cell in one piece while wrapping
WIDEST = 44  # a column wider than this pushes the rest of its own line only


def page(
    profile: Profile, placed: Iterable[Placed], *, file: str, context: str, width: int = 80, heading: Heading = str
) -> str:
    """The page. ``file``: where the profile was found; ``context``: "" for none; ``heading`` paints section titles;
    longer lines than ``width`` are wrapped."""
    lines = [f"{heading(profile.service)}  {profile.title}".rstrip(), ""]
    facts = [("file", file), ("context", context or "none"), ("owner", profile.owner), ("source", profile.source)]
    facts += [
        ("signals", f"scraped every {profile.scrape_interval}, read over {profile.window}"),
        ("without Prometheus", f"two scrapes, {profile.direct_pause} apart"),
        ("labels", _pairs(profile.prometheus_labels)),
        ("severities", _pairs(profile.severities)),
    ]
    lines += _table([(name, value) for name, value in facts if value], width)
    for title, rows in _sections(profile, placed):
        if rows:
            lines += ["", heading(title), *_table(rows, width)]
    return redact(printable("\n".join(lines))) + "\n"


def _sections(profile: Profile, placed: Iterable[Placed]) -> Iterator[tuple[str, list[Sequence[str]]]]:
    yield "Endpoints", [_endpoint(profile, one) for one in placed]
    yield "Runbooks it defines", [(name, ", ".join(ids)) for name, ids in runbooks_of(profile).items()]
    yield "Objectives", list(_objectives(profile))
    yield "Symptoms", list(_symptoms(profile))
    yield (
        "Signals",
        [
            (n, s.unit or unit_of_signal(profile, n), _marked(signal_says(s), s.assumed, s.row))
            for n, s in profile.signals.items()
        ],
    )
    yield (
        "Dependencies",
        [
            (n, d.kind, _marked(" ".join(filter(None, (d.title, *d.endpoints))), d.assumed, d.row))
            for n, d in profile.dependencies.items()
        ],
    )
    if profile.kubernetes is not None:
        place = profile.kubernetes.namespace or "namespace of the context"
        yield (
            "Kubernetes",
            [
                (n, w.kind, _marked(f"{w.selector} ({place})", w.assumed, w.row))
                for n, w in profile.kubernetes.workloads.items()
            ],
        )
    for title, files in (("Logs", profile.logs), ("Files", profile.files)):
        yield title, [(n, f.format, _marked(f.path, f.assumed, f.row)) for n, f in files.items()]
    yield (
        "Adapters",
        [(n, a.kind, _marked(" ".join(a.argv) or a.unit, a.assumed, a.row)) for n, a in profile.adapters.items()],
    )
    yield (
        "Escalation",
        [
            (s.severity or "every severity", f"after {s.after}", f"{s.to}{f' ({s.how})' if s.how else ''}", s.row)
            for s in profile.escalation
        ],
    )
    yield (
        "Categories",
        [
            (n, c.severity, c.channel, f"within {c.respond_within}" if c.respond_within else "", c.escalate, c.row)
            for n, c in profile.categories.items()
        ],
    )
    for title in ("contacts", "dashboards", "external", "budgets", "settings", "cache"):
        yield title.capitalize(), [(name, value or "-") for name, value in getattr(profile, title).items()]
    yield "Capacity", [(name, f"{value:,.15g}") for name, value in profile.capacity.items()]
    yield "Healthy range", [(name, f"{low:g} to {high:g}") for name, (low, high) in profile.baselines.items()]
    yield "Notes", [(note,) for note in profile.notes]


def _endpoint(profile: Profile, placed: Placed) -> Sequence[str]:
    if placed.endpoint is None:
        reason = placed.failure.says if placed.failure is not None else ""
        return (placed.name, f"not configured: {reason.partition(': ')[2] or reason}")
    spec = profile.endpoints.get(placed.name)
    where = placed.endpoint.url or "(its client's own default)"
    assumed = spec is not None and spec.assumed and placed.endpoint.setting.startswith("profile ")
    return (placed.name, where, _marked(placed.endpoint.setting, assumed))


def _objectives(profile: Profile) -> Iterator[Sequence[str]]:
    for objective in profile.objectives:
        unit = unit_of_signal(profile, objective.signal)
        for number, band in enumerate(objective.bands):
            severity = (
                f"{band.severity} ({profile.severities.get(band.severity, '?')})" if band.severity else objective.kind
            )
            name = objective.id if number == 0 else ""
            kind = " target" if objective.kind == "target" and band.severity else ""
            says = f"{objective.signal} {band_says(band, unit)}"
            yield (name, says, severity + kind, _marked(band.alert, objective.assumed, objective.row))


def _symptoms(profile: Profile) -> Iterator[Sequence[str]]:
    for symptom in profile.symptoms:
        parts = [
            f"log {symptom.log}" if symptom.log else "",
            f"/{symptom.pattern}/" if symptom.pattern else "",
            f"endpoint {symptom.endpoint}{symptom.path}" if symptom.endpoint else "",
            f"signal {symptom.signal}" if symptom.signal else "",
            symptom.field + (f" not {symptom.expect}" if symptom.expect else ""),
            ", ".join(band_says(band) for band in symptom.bands),
            f"within {symptom.within}" if symptom.within else "",
        ]
        says = " ".join(filter(None, parts)) or symptom.title
        yield (symptom.id, symptom.runbook, says, _marked(symptom.severity, symptom.assumed, symptom.row))


def _marked(text: str, assumed: bool, row: str = "") -> str:
    marks = ", ".join(filter(None, ("assumed" if assumed else "", row)))
    return f"{text}  ({marks})".lstrip() if marks else text


def _pairs(values: Mapping[str, str]) -> str:
    return ", ".join(f"{key}: {value}" for key, value in values.items())


def _table(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Rows as lines: columns aligned as far as they are not too wide; a row that is too long is wrapped between its
    cells, or inside a long one, under the second column."""
    columns = max((len(row) for row in rows), default=0)
    widths = [
        max((len(row[i]) for row in rows if len(row) > i + 1 and len(row[i]) <= WIDEST), default=0)
        for i in range(columns)
    ]
    hanging = " " * (4 + min(widths[0], 30)) if columns > 1 else "    "
    lines: list[str] = []
    for row in rows:
        line = "  " + "  ".join(f"{cell:<{widths[i]}}" for i, cell in enumerate(row)).rstrip()
        if len(line) <= width:
            lines.append(line)
            continue
        first, *rest = row
        whole = [cell.replace(" ", _GLUE) if len(cell) <= WIDEST else cell for cell in rest if cell]
        text = "  " + "  ".join((f"{first:<{widths[0]}}", *whole)).rstrip()
        wrapped = textwrap.wrap(text, width, subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False)
        lines += [part.replace(_GLUE, " ") for part in wrapped]
    return lines

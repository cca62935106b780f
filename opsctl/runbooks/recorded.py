"""What a signal gave, as a report keeps it, and back again."""

from __future__ import annotations

import zlib

import msgspec

from opsctl.model import Point, RecordedHistory, RecordedReading, RecordedRow
from opsctl.signals.model import History, Reading, Row, Signal


def declared(signal: Signal) -> str:
    """A checksum of what a declaration asks for; its title, notes and row do not matter."""
    bare = msgspec.structs.replace(signal, title="", note="", row="", assumed=False)
    return f"{zlib.crc32(msgspec.json.encode(bare)):08x}"


def kept_reading(reading: Reading, signal: Signal, at: float | None, window: float | None) -> RecordedReading:
    """A reading for the report; ``at`` (unix) and ``window`` (s) are what was asked for."""
    rows = tuple(
        RecordedRow(
            value=row.value,
            labels=row.labels,
            at_least=row.at_least,
            count=row.count,
            note=row.note,
            exceeds=row.exceeds,
        )
        for row in reading.rows
    )
    return RecordedReading(
        signal=reading.signal,
        declared=declared(signal),
        unit=reading.unit,
        at=at,
        over=window,
        rows=rows,
        unknown=reading.unknown,
        source=reading.source,
        setting=reading.setting,
        query=reading.query,
        window=reading.window,
        sampled_at=reading.sampled_at,
        direct=reading.direct,
        note=reading.note,
    )


def reading_of(kept: RecordedReading) -> Reading:
    """The reading as the probes got it."""
    rows = tuple(
        Row(
            value=row.value,
            labels=row.labels,
            at_least=row.at_least,
            count=row.count,
            note=row.note,
            exceeds=row.exceeds,
        )
        for row in kept.rows
        if row.value is not None
    )
    return Reading(
        signal=kept.signal,
        unit=kept.unit,
        rows=rows,
        unknown=kept.unknown,
        source=kept.source,
        setting=kept.setting,
        query=kept.query,
        window=kept.window,
        sampled_at=kept.sampled_at,
        direct=kept.direct,
        note=kept.note,
    )


def kept_history(
    past: History, signal: Signal, start: float, end: float, window: float | None, lowest: bool
) -> RecordedHistory:
    """A history for the report. Points lie whole steps apart, so the first one's time and the values say it all."""
    first = past.points[0].time if past.points else 0.0
    values: list[float | None] = []
    for point in past.points:
        number = round((point.time - first) / past.step) if past.step > 0 else len(values)
        values.extend([None] * (number - len(values)))
        values.append(point.value)
    return RecordedHistory(
        signal=past.signal,
        declared=declared(signal),
        start=start,
        end=end,
        step=past.step,
        first=first,
        values=tuple(values),
        over=window,
        lowest=lowest,
        unknown=past.unknown,
    )


def points_of(past: RecordedHistory) -> list[Point]:
    """The points of a recorded history, milliseconds as Prometheus gives them."""
    return [
        Point(round(past.first + number * past.step, 3), value)
        for number, value in enumerate(past.values)
        if value is not None
    ]

"""PgBouncer: its console is reached, new enough, and shows the lists that the probes read (2.2)."""

from __future__ import annotations

import re
import time

from opsctl.clients.pgbouncer import LISTS, PgbouncerReader
from opsctl.doctor import acting_pgbouncer, versions
from opsctl.doctor.model import Checks, Remedy
from opsctl.doctor.site import Site
from opsctl.errors import CouldNotLook
from opsctl.redact import printable

_USER = re.compile(r"^user (\S+) may not use the console")


def examine(site: Site, checks: Checks, until: float) -> None:
    """Raises CouldNotLook when it cannot be reached."""
    assert site.endpoint is not None
    reader = PgbouncerReader(site.endpoint)
    checks.address = reader.address
    try:
        began = time.monotonic()
        (told,) = reader.show("VERSION", _left(until))
        checks.ok("reachable", f"its console answers in {(time.monotonic() - began) * 1000:.0f} ms")
        versions.judge(checks, "pgbouncer", printable(str(next(iter(told.values()), ""))))
        if site.acting:
            acting_pgbouncer.examine(site, reader, checks, until)
            return
        _lists(reader, checks, until)
        acting_pgbouncer.tell(site, reader, checks, until)
    except CouldNotLook as failure:
        found = _USER.match(failure.says)
        if failure.reason != "forbidden" or not found:
            raise
        how = "In pgbouncer.ini (joined with commas to names that are there), then RELOAD on the console as an admin"
        checks.lost(failure, Remedy(how=how, run=f"{'admin' if site.acting else 'stats'}_users = {found[1]}"))
    finally:
        reader.close()


def _left(until: float) -> float:
    return max(0.1, min(5.0, until - time.monotonic()))


def _lists(reader: PgbouncerReader, checks: Checks, until: float) -> None:
    """Show each list once. CLIENTS and SERVERS, which may be long, need the same right as these."""
    refused: list[str] = []
    unknown: list[str] = []
    for name in sorted(LISTS - {"VERSION"}):
        try:
            reader.show(name, _left(until))
        except CouldNotLook as failure:
            if failure.reason == "unsupported":
                unknown.append(f"SHOW {name}")
            elif failure.reason == "forbidden":
                refused.append(f"SHOW {name}")
            else:
                checks.failed("rights", failure)
                return
    if refused:
        checks.breach("rights", f"this user may not {', '.join(refused)}: what pools do will be unknown")
    else:
        checks.ok("rights", "it shows the lists that a look reads")
    if unknown:
        checks.ok("lists", f"this release does not know {', '.join(unknown)}; newer ones do")

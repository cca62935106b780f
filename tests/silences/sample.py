"""Silences, alerts and members for the tests of opsctl silence."""

from datetime import UTC, datetime, timedelta

from opsctl.clients.alertmanager import Alert, AlertStatus, Silence, SilenceStatus
from opsctl.clients.alertmanager import Matcher as Stored
from opsctl.config.endpoint import Endpoint
from opsctl.silences.book import Known
from opsctl.silences.matcher import parse_all
from opsctl.silences.members import Members

NOW = datetime(2026, 11, 21, 3, 7, tzinfo=UTC)
ID = "5f0c2b1e-8c1f-4a6e-9d3c-0123456789ab"


def members_of(*urls):
    options = {"members": ",".join(urls[1:])} if len(urls) > 1 else {}
    return Members(Endpoint(name="alertmanager", url=urls[0], setting="test", options=options))


def known(words=("service=api",), *, id=ID, state="active", start=-3600.0, end=3600.0, lacking=(), now=NOW, **more):
    """A silence around ``now``; ``start`` and ``end`` in seconds from it."""
    fields = {"created_by": "ana@bastion", "comment": "deploy"} | more
    stored = tuple(
        Stored(name=m.name, value=m.value, is_regex=m.is_regex, is_equal=m.is_equal) for m in parse_all(list(words))
    )
    one = Silence(
        id=id,
        matchers=stored,
        starts_at=now + timedelta(seconds=start),
        ends_at=now + timedelta(seconds=end),
        status=SilenceStatus(state=state),
        **fields,
    )
    return Known(one, lacking)


def alert(fingerprint="", silenced=(), **labels):
    return Alert(labels=labels, fingerprint=fingerprint or repr(labels), status=AlertStatus(silenced_by=silenced))

"""Each row of Alertmanager's update semantics (alert-tooling.md 2), on a real server."""

from datetime import UTC, datetime, timedelta

import pytest

from opsctl.clients.alertmanager_write import AlertmanagerWriter, Draft
from opsctl.clients.http_write import may_have_happened
from opsctl.config.endpoint import Endpoint
from opsctl.errors import CouldNotLook
from opsctl.silences.matcher import parse_all

pytestmark = pytest.mark.needs("alertmanager")


@pytest.fixture(scope="module")
def writer(alertmanagers):
    writer = AlertmanagerWriter(Endpoint(name="alertmanager", url=alertmanagers[0].url, setting="test"))
    yield writer
    writer.close()


def now():
    return datetime.now(UTC).replace(microsecond=0)


def draft(words=("service=api", "severity=warning"), start=0.0, end=3600.0, **more):
    begins = now() + timedelta(seconds=start)
    fields = {"created_by": "ana", "comment": "deploy"} | more
    return Draft(matchers=parse_all(words), starts_at=begins, ends_at=begins - timedelta(seconds=start - end), **fields)


def stored(writer, id):
    (found,) = [s for s in writer.silences() if s.id == id]
    return found


def changed(one, **fields):
    import msgspec

    return msgspec.structs.replace(one, **fields)


def again(writer, id, one):
    """The draft with the id and the start that the server noted (it clamps a past start to its own now)."""
    return changed(one, id=id, starts_at=stored(writer, id).starts_at)


def test_an_active_silence_changes_its_end_comment_and_author_in_place(writer):
    one = draft()
    id = writer.post(one)
    assert stored(writer, id).status.state == "active"
    kept = again(writer, id, one)
    assert writer.post(changed(kept, ends_at=kept.ends_at + timedelta(hours=2))) == id
    assert writer.post(changed(kept, ends_at=kept.ends_at - timedelta(minutes=5))) == id
    assert writer.post(changed(kept, comment="longer", created_by="bob")) == id
    assert (stored(writer, id).comment, stored(writer, id).created_by) == ("longer", "bob")


@pytest.mark.parametrize("words", [("service=api", "severity=info"), ("severity=warning", "service=api")])
def test_other_matchers_or_their_order_make_another_silence(writer, words):
    one = draft()
    id = writer.post(one)
    other = writer.post(changed(again(writer, id, one), matchers=parse_all(words)))
    assert other != id
    assert stored(writer, id).status.state == "expired"


def test_a_pending_silence_moves_in_place_but_not_to_now(writer):
    one = draft(start=3600.0, end=7200.0)
    id = writer.post(one)
    assert stored(writer, id).status.state == "pending"
    later = changed(one, id=id, starts_at=one.starts_at + timedelta(hours=1), ends_at=one.ends_at + timedelta(hours=1))
    assert writer.post(later) == id
    assert writer.post(changed(later, starts_at=now())) != id
    assert stored(writer, id).status.state == "expired"


def test_an_expired_silence_stays_expired(writer):
    one = draft()
    id = writer.post(one)
    writer.expire(id)
    assert stored(writer, id).status.state == "expired"
    assert writer.post(changed(one, id=id)) != id
    assert stored(writer, id).status.state == "expired"
    writer.expire(id)  # once more: nothing to do


def test_a_past_start_is_clamped_to_now_and_the_end_is_kept(writer):
    one = draft(start=-7200.0, end=1800.0)
    found = stored(writer, writer.post(one))
    assert abs((found.starts_at - now()).total_seconds()) < 30
    assert found.ends_at == one.ends_at


def test_the_same_body_twice_is_two_silences(writer):
    one = draft()
    assert writer.post(one) != writer.post(one)


@pytest.mark.parametrize(
    ("one", "reason", "says"),
    [
        (draft(end=-60.0), "bad-query", "end time"),
        (draft(words=("a=",)), "bad-query", "at least one matcher"),
        (draft(id="0a5d6a0e-8f2e-4b0a-9d0e-000000000000"), "not-found", "not found"),
    ],
)
def test_what_the_server_refuses_is_named(writer, one, reason, says):
    with pytest.raises(CouldNotLook) as refused:
        writer.post(one)
    assert refused.value.reason == reason
    assert says in refused.value.says


def test_expiring_what_is_not_there_is_not_found_on_every_version(writer):
    with pytest.raises(CouldNotLook) as refused:
        writer.expire("0a5d6a0e-8f2e-4b0a-9d0e-000000000000")
    assert refused.value.reason == "not-found"


def test_after_a_refused_connection_nothing_has_happened():
    dead = AlertmanagerWriter(Endpoint(name="alertmanager", url="http://127.0.0.1:9", setting="test"))
    with pytest.raises(CouldNotLook) as refused:
        dead.post(draft())
    assert not may_have_happened(refused.value)
    assert may_have_happened(CouldNotLook("timeout", ""))

"""customer.suspend, reactivate, upgrade, rotate-key, revoke-key on the lab's Vritti, and what a server may answer."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from opsctl.actions.customer_api import ENDPOINT, Api, opened, root_of
from opsctl.actions.customer_rotate import REVOKE, ROTATE
from opsctl.actions.customer_status import REACTIVATE, SUSPEND, UPGRADE
from opsctl.config.endpoint import Endpoint
from opsctl.errors import CouldNotLook
from opsctl.lab.vritti_customers import key_id_of
from opsctl.lab.web import Answer, serve
from tests.actions.test_customer_contain import as_plan
from tests.actions.vritti_double import OLD_ID, OLD_KEY, hands_on, numbered, propose, refused, run, vritti


@pytest.fixture
def double(tmp_path):
    with vritti(tmp_path) as one:
        yield one


def applied(action, hands, **given):
    (step,) = numbered(propose(action, hands, **given))
    return step, action.apply(hands, step)


def test_suspended_and_active_again(double):
    with hands_on(double) as hands:
        step, did = applied(SUSPEND, hands, customer="customer-3")
        assert (did.state, did.inverse) == ("acted", {"field": "status", "value": "active"})
        assert "1 active keys" in propose(SUSPEND, hands, customer="customer-4").impact
        assert double.use(OLD_KEY) == 403
        assert SUSPEND.settled(hands, step) == "acted"
        assert propose(SUSPEND, hands, customer="customer-3").steps == ()
        assert SUSPEND.undo is not None
        assert SUSPEND.undo(hands, step, did.inverse).state == "acted"
        double.app.cache.clear()
        assert double.use(OLD_KEY) == 422
        applied(SUSPEND, hands, customer="customer-3")
        back, did = applied(REACTIVATE, hands, customer="customer-3")
        assert REACTIVATE.verify(hands, as_plan(propose_of(back), (back,), {}), (1,)).ok


def propose_of(step):
    from opsctl.actions.model import Proposal

    return Proposal(subject="", scope="", steps=(step,), of=1, unit="customers", impact="")


def test_what_somebody_else_changed_meanwhile_is_left_alone(double):
    with hands_on(double) as hands:
        step, did = applied(UPGRADE, hands, customer="customer-3", tier="enterprise")
        assert (did.state, did.after) == ("acted", {"subscription_tier": "enterprise"})
        double.app.store.change("customer-3", {"subscription_tier": "starter"})
        assert UPGRADE.apply(hands, step).state == "skipped"
        assert UPGRADE.undo is not None
        assert UPGRADE.undo(hands, step, did.inverse).state == "skipped"


def test_a_server_that_says_no(double):
    with hands_on(double) as hands:
        _, did = applied(UPGRADE, hands, customer="customer-3", tier="golden")
        assert did.state == "failed"
        assert "422" in did.says
        with pytest.raises(CouldNotLook, match="no customer nobody"):
            propose(SUSPEND, hands, customer="nobody")
        (step,) = numbered(propose(SUSPEND, hands, customer="customer-3"))
        double.app.store.change("customer-3", {"status": "deleted"})
        assert refused(propose(REACTIVATE, hands, customer="customer-3")) == {"known": ""}
        assert SUSPEND.apply(hands, step).state == "skipped"


@pytest.mark.parametrize("admin_key", ["", "a-wrong-one"])
def test_without_the_admin_key_it_says_how_to_give_it(double, admin_key):
    with (
        hands_on(double, admin_key=admin_key) as hands,
        pytest.raises(CouldNotLook, match="give the admin key as header X-Admin-API-Key") as caught,
    ):
        propose(SUSPEND, hands, customer="customer-3")
    assert caught.value.reason == "unauthorized"
    assert "a-wrong-one" not in caught.value.says


def test_rotated_with_grace_then_revoked_when_quiet(double, tmp_path):
    given = {"customer": "customer-3", "key": OLD_ID}
    new, old = tmp_path / "new.key", tmp_path / "old.key"
    old.write_text(OLD_KEY)
    with hands_on(double) as hands:
        steps = numbered(propose(ROTATE, hands, key_file=str(new), **given))
        assert [did.state for did in run(ROTATE, hands, steps).values()] == ["acted", "acted"]
        assert (double.use(OLD_KEY), double.use(new.read_text().strip())) == (422, 422)
        double.past_use(OLD_ID, "198.51.100.23", 5, ago=30)
        assert refused(propose(REVOKE, hands, **given)) == {"quiet": "--in-use"}
        assert refused(propose(REVOKE, hands, in_use=True, **given)) == {}
        proposal = propose(REVOKE, hands, quiet="0.01s", old_key_file=str(old), **given)
        assert refused(proposal) == {}
        done = run(REVOKE, hands, numbered(proposal))
        assert [did.state for did in done.values()] == ["acted", "acted"], done
        assert REVOKE.verify(hands, as_plan(proposal, proposal.steps, given), (1,)).ok
        assert double.use(OLD_KEY) == 401
        assert propose(REVOKE, hands, in_use=True, **given).steps == ()
        only = {"customer": "customer-3", "key": key_id_of(new.read_text().strip())}
        assert refused(propose(REVOKE, hands, quiet="0.01s", **only)) == {"other-key": "--only-key"}


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (429, {"detail": "slow down"}, "try again later"),
        (409, {"detail": "Customer is deleted"}, "409 .*Customer is deleted"),
        (500, "<html><title>Oops</title></html>", "500 .Oops"),
        (404, {"detail": "Not Found"}, "or this build does not offer it"),
    ],
)
def test_answers_to_a_change(status, body, says):
    from opsctl.lab.identity import free_ports

    (port,) = free_ports(1)
    kind = "text/html" if isinstance(body, str) else "application/json"
    serve(port, {("PATCH", "/x"): lambda _: Answer(status, body, kind)})
    endpoint = Endpoint(name=ENDPOINT, url=f"http://127.0.0.1:{port}/admin", setting="test")
    place = SimpleNamespace(endpoint=lambda name: endpoint)
    hands = SimpleNamespace(readers=place, writers=place, profile=SimpleNamespace(settings={}, service="mine"))
    api = Api(hands)  # type: ignore[arg-type]
    sent = api.send("PATCH", "/x", {"a": 1})
    api.close()
    assert not sent.ok
    assert sent.maybe is (status >= 500)
    import re

    assert re.search(says, sent.says), sent.says


def test_nobody_listens(double, tmp_path):
    from opsctl.lab.identity import free_ports

    (port,) = free_ports(1)
    double.url = f"http://127.0.0.1:{port}"
    with hands_on(double) as hands, opened(hands) as api:
        sent = api.send("PATCH", "/api/v1/customers/customer-3", {})
        assert (sent.ok, sent.maybe) == (False, False)
        with pytest.raises(CouldNotLook, match=r"nothing listens|refused"):
            api.customer("customer-3")


def test_the_root_is_beside_the_admin_pages():
    def at(url):
        return root_of(Endpoint(name="admin", url=url, setting="test")).url

    assert at("https://vritti.example/admin") == "https://vritti.example"
    assert at("https://vritti.example/v/admin/") == "https://vritti.example/v"
    assert at("https://admin.vritti.example") == "https://admin.vritti.example"


def test_show_tells_ids_and_uses_and_no_key(double):
    from opsctl.cli.customer_look import look, render
    from opsctl.errors import Refused, UsageError

    double.past_use(OLD_ID, "198.51.100.23", 5)
    with hands_on(double) as hands:
        data = look(replace(hands), "customer-3")
        assert data["keys"][0]["key_id"] == OLD_ID
        assert "5 requests from 1 addresses" in render(data)
        assert OLD_KEY not in render(data)
        with pytest.raises(UsageError, match="no customer"):
            look(hands, "nobody")
        with pytest.raises(UsageError, match="letters, digits"):
            look(hands, "../x")
    with hands_on(double, admin_key="wrong") as hands, pytest.raises(Refused):
        look(hands, "customer-3")


def test_keys_of_other_builds_are_understood():
    from opsctl.actions.customer_api import _key

    assert _key({"id": "k1", "is_active": False, "label": "old"}).active is False
    assert _key({"api_key_id": "k2", "revoked_at": "2026-01-01"}).active is False
    assert _key({"key_id": "k3", "status": "ACTIVE", "role": "admin"}).admin is True

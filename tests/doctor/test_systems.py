"""Systems that are there, and what is not as the services' profiles need it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml

from opsctl.config.settings import load_settings
from opsctl.doctor import needs
from opsctl.doctor.examine import Asked, examine
from opsctl.doctor.model import Examination
from opsctl.services.load import apply_override
from opsctl.services.model import EndpointSpec, Profile, Symptom
from opsctl.signals.model import Band, Objective, Signal
from tests.doctor.places import check, look, site, states
from tests.fakes.badserver import refusing_port
from tests.fakes.kyrodb import Kyrodb
from tests.fakes.recording import Recorder
from tests.servers.prometheus import start_prometheus, static

BOOKS = Path(__file__).resolve().parents[2] / "runbooks"
SIGNALS = {"jobs": Signal(gauge="shop_jobs")}
QUEUE = Objective(id="queue", runbook="queue-backlog", signal="jobs", bands=(Band(above=5),))


def shop(**more) -> Profile:
    return Profile(service="shop", signals=SIGNALS, objectives=(QUEUE,), **more)


def endpoints(**kinds: str) -> dict[str, EndpointSpec]:
    """Endpoint name -> spec; the value is ``KIND URL``."""
    return {
        name.replace("_", "-"): EndpointSpec(kind=text.split()[0], url=text.split()[1]) for name, text in kinds.items()
    }


def doctor(*profiles: Profile, environ: dict[str, str] | None = None, only: tuple[str, ...] = ()) -> Examination:
    settings = load_settings(None, None, {}, {"OPSCTL_CONFIG": "/dev/null", "HOME": "/nowhere", **(environ or {})})
    return examine(Asked(profiles, [BOOKS], 10.0, only), settings)


def test_one_of_prometheus_and_the_page_is_enough_to_judge_objectives():
    gone = f"http://127.0.0.1:{refusing_port()}"
    with Recorder({"/metrics": b"shop_jobs 3\n"}) as app:
        found = doctor(
            shop(endpoints=endpoints(metrics=f"metrics {app.url}/metrics")), environ={"PROMETHEUS_URL": gone}
        )
    assert found.exit == 1
    lost = doctor(shop(endpoints=endpoints(metrics=f"metrics {gone}/metrics")), environ={"PROMETHEUS_URL": gone})
    assert lost.exit == 2
    (service,) = [place for place in lost.places if place.kind == "service"]
    assert "none of its 1 objective can be judged: neither" in service.checks[0].says


def test_the_endpoint_of_a_symptom_is_needed():
    gone = f"http http://127.0.0.1:{refusing_port()}/health"
    symptom = Symptom(id="bad", runbook="kyrodb-down", endpoint="health", bands=(Band(above=1),))
    assert doctor(Profile(service="shop", endpoints=endpoints(health=gone))).exit == 1
    assert doctor(Profile(service="shop", endpoints=endpoints(health=gone), symptoms=(symptom,))).exit == 2


def test_the_systems_that_decide_a_runbook_are_found(tmp_path):
    body = yaml.safe_load((BOOKS / "high-latency.yaml").read_text())
    body |= {"runbook": "queue-backlog", "decides": ["redis.memory-full", "signal.objective-broken"]}
    (tmp_path / "queue-backlog.yaml").write_text(yaml.safe_dump(body))
    assert needs.deciding([shop()], [tmp_path]) == {"redis"}
    assert needs.deciding([Profile(service="other")], [tmp_path]) == set()


def test_two_services_on_one_server_are_one_place():
    with Recorder({"/health": "{}"}) as app:
        both = [
            Profile(service=name, endpoints=endpoints(health=f"http {app.url}/health")) for name in ("shop", "store")
        ]
        found = doctor(*both)
        asked = len(app.seen)
    (place,) = found.places
    assert place.services == ("shop", "store")
    assert asked == 1


def test_what_the_profile_names_and_nobody_configures_is_told_as_that():
    found = doctor(Profile(service="shop", endpoints={"postgres": EndpointSpec(kind="postgres", env="SHOP_DB")}))
    assert any("set SHOP_DB or DATABASE_URL" in text for text in found.absent)
    assert found.exit == 0


@pytest.mark.needs("prometheus")
def test_prometheus_is_held_against_the_profiles_labels_and_interval(tmp_path):
    with Recorder({"/metrics": b"shop_jobs 3\n"}) as app:
        server = start_prometheus(tmp_path, [static("shop", app.url.removeprefix("http://"))])
        try:
            right = shop(prometheus_labels={"job": "shop"}, scrape_interval="1s")
            until = time.monotonic() + 30
            while True:
                place = look(site("prometheus", server.url, profile=right))
                if states(place).get("scrapes") == "ok" or time.monotonic() > until:
                    break
                time.sleep(0.5)
            assert set(states(place).values()) == {"ok"}
            assert place.version.startswith("2.")
            assert "1 target up" in check(place, "scrapes").says

            hasty = look(
                site("prometheus", server.url, profile=shop(prometheus_labels={"job": "shop"}, scrape_interval="200ms"))
            )
            found = check(hasty, "interval")
            assert found.state == "breach"
            assert "scraped every 1s, but its profile says 200ms" in found.says

            wrong = shop(prometheus_labels={"job": "shopp"})
            found = check(look(site("prometheus", server.url, profile=wrong)), "scrapes")
            assert "it has the jobs shop" in found.says
            assert found.remedy is not None
            config = tmp_path / "opsctl.yaml"
            config.write_text(f"contexts:\n  prod:\n    prometheus: {server.url}\n    {found.remedy.run}\n")
            settings = load_settings(str(config), None, {}, {"HOME": "/nowhere"})
            mended = apply_override(wrong, settings.override("shop"))
            assert check(look(site("prometheus", server.url, profile=mended)), "scrapes").state == "ok"
        finally:
            server.stop()


def test_alertmanagers_that_gossip_are_fine(alertmanagers):
    until = time.monotonic() + 60
    while True:  # a cluster that has just begun is settling
        place = look(site("alertmanager", alertmanagers[0].url))
        if states(place)["cluster"] == "ok" or time.monotonic() > until:
            break
        assert "settling" in check(place, "cluster").says
        time.sleep(0.5)
    assert set(states(place).values()) == {"ok"}
    assert "has 2 members" in check(place, "cluster").says


def test_a_kyrodb_that_wants_a_key_is_up_but_not_readable():
    with Kyrodb(key="not-a-real-one") as server:
        found = check(look(site("kyrodb", server.address)), "reachable")
        assert (found.state, found.reason) == ("breach", "unauthorized")
        assert found.remedy is not None
        assert "api_key_file" in found.remedy.run
        place = look(site("kyrodb", server.address, options={"api_key": "not-a-real-one"}))
        assert states(place)["reachable"] == "ok"


def test_an_admin_page_without_its_key_says_how_to_give_it():
    with Recorder({"/admin": (401, "application/json", b"{}")}) as app:
        found = check(look(site("http", f"{app.url}/admin")), "credentials")
    assert found.state == "breach"
    assert found.remedy is not None
    assert yaml.safe_load(found.remedy.run)["http_config"]["authorization"] == {"credentials_file": "http.token"}


def test_a_page_that_is_no_metrics_is_told():
    with Recorder({"/metrics": "<html>no</html>"}) as app:
        found = check(look(site("metrics", f"{app.url}/metrics")), "reachable")
    assert (found.state, found.reason) == ("breach", "bad-answer")

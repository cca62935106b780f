"""Where a service's systems are, and what is said when nothing says so."""

import pytest

from opsctl.config.places import built_in
from opsctl.config.settings import load_settings
from opsctl.errors import NotConfigured
from opsctl.services.load import load_profile
from opsctl.services.resolve import places, resolver


def settings(tmp_path, text="", *, flags=None, **environ):
    environ = {"HOME": str(tmp_path), **environ}
    if not text:
        return load_settings(None, None, flags or {}, environ)
    path = tmp_path / "opsctl.yaml"
    path.write_text(text)
    return load_settings(str(path), None, flags or {}, environ)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def profile_of(name):
    return load_profile(name, [built_in()])


def test_the_profiles_default_is_used_and_named(tmp_path):
    endpoint = resolver(profile_of("vritti"), settings(tmp_path))("kyrodb-text")
    assert (endpoint.url, endpoint.setting) == ("localhost:50051", "profile vritti")


def test_the_services_own_variable_wins_over_the_default(tmp_path):
    found = resolver(profile_of("amas"), settings(tmp_path, DATABASE_URL="postgresql://u@db1/danci"))("postgres")
    assert (found.url, found.setting) == ("postgresql://u@db1/danci", "env DATABASE_URL")


def test_what_the_profile_does_not_declare_is_not_configured_even_if_the_environment_names_one(tmp_path):
    """The database of another service is never taken for this one's."""
    resolve = resolver(profile_of("vritti"), settings(tmp_path, DATABASE_URL="postgresql://db/other"))
    with pytest.raises(NotConfigured) as caught:
        resolve("postgres")
    assert caught.value.says == "service vritti defines no postgres"
    assert caught.value.setting == "services.vritti.endpoints.postgres"


def test_a_context_may_add_an_endpoint_that_the_profile_does_not_know(tmp_path):
    text = """
contexts:
  prod: {services: {vritti: {endpoints: {postgres: "postgresql://db9/vritti"}}}}
current: prod
"""
    found = resolver(profile_of("vritti"), settings(tmp_path, text.replace("current:", "current-context:")))("postgres")
    assert found.url == "postgresql://db9/vritti"
    assert found.setting.startswith("opsctl.yaml:3")


def test_a_declared_endpoint_without_address_names_the_settings_that_would_help(tmp_path):
    with pytest.raises(NotConfigured) as caught:
        resolver(profile_of("amas"), settings(tmp_path))("webhook")
    assert caught.value.says == (
        "nothing says where webhook of service amas is: set ALERT_WEBHOOK_URL or "
        "services.amas.endpoints.webhook of a context in opsctl.yaml"
    )


def test_prometheus_is_shared_and_needs_no_declaration(tmp_path):
    profile = profile_of("vritti")
    with pytest.raises(NotConfigured, match="PROMETHEUS_URL"):
        resolver(profile, settings(tmp_path))("prometheus")
    found = resolver(profile, settings(tmp_path, PROMETHEUS_URL="http://p:9090"))("prometheus")
    assert (found.url, found.setting) == ("http://p:9090", "env PROMETHEUS_URL")


def test_addresses_below_app_follow_app(tmp_path):
    """Whoever points app at production must not get the health of the machine they sit at."""
    text = """
contexts:
  prod: {services: {vritti: {endpoints: {app: "https://vritti.prod:8443", stats: "http://other/stats"}}}}
current-context: prod
"""
    resolve = resolver(profile_of("vritti"), settings(tmp_path, text))
    assert resolve("metrics").url == "https://vritti.prod:8443/metrics"
    assert resolve("readiness").url == "https://vritti.prod:8443/health/readiness"
    assert resolve("metrics").setting == "opsctl.yaml:3 (app) + /metrics"
    assert resolve("stats").url == "http://other/stats"
    assert resolve("kyrodb-text-http").url == "http://localhost:51051"


def test_places_list_what_is_there_and_what_is_not(tmp_path):
    found = {one.name: one for one in places(profile_of("amas"), settings(tmp_path, REDIS_URL="redis://r:1"))}
    assert found["redis"].endpoint is not None
    assert found["redis"].endpoint.setting == "env REDIS_URL"
    assert found["webhook"].endpoint is None
    assert found["prometheus"].kind == "prometheus"
    assert next(iter(found)) == "app"

"""What a report as JSON always holds, and what nothing that opsctl writes ever holds: a secret."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.app import App
from tests.acceptance.session import SCHEMAS, valid
from tests.acceptance.shop import profile, session, slow_app
from tests.fakes import badserver as bad
from tests.fakes import rawserver as raw
from tests.servers.postgres import GUARDED_PASSWORD
from tests.servers.redis import start_redis

ALWAYS = {
    "schema", "opsctl", "runbook", "runbook_digest", "service", "context", "verdict", "severity", "severity_label",
    "says", "started_at", "seconds", "at", "measured", "findings", "causes", "unknown", "not_configured", "changes",
    "next", "notes", "escalation", "evidence", "parameters", "decides", "chosen", "looks_back", "override",
    "replayed_from", "probes", "readings", "histories", "seal",
}  # fmt: skip
OF_A_CAUSE = {"cause", "says", "status", "score", "confirmed", "refuted", "not_measured", "checks", "measured"}


@pytest.fixture
def app() -> Iterator[App]:
    one = slow_app()
    yield one
    one.stop()


def test_every_key_is_always_there(tmp_path, app):
    shop = session(tmp_path, profile({"metrics": app.url}, direct_pause="1s"))
    seen = {}
    asked = {"broken": (), "of-the-past": ("--at", "10m ago"), "asked-so": ("--direct", "--share", "20%")}
    for name, more in asked.items():
        seen[name] = shop.diagnose("high-latency", "shop", *more)[1]
    app.change(latency=0.02)
    seen["well"] = shop.diagnose("high-latency", "shop")[1]
    seen["not-defined"] = shop.diagnose("high-error-rate", "agro")[1]
    verdicts = {name: report["verdict"] for name, report in seen.items()}
    assert verdicts == {
        "broken": "critical", "of-the-past": "unknown", "asked-so": "critical", "well": "ok", "not-defined": "unknown",
    }  # fmt: skip
    for name, report in seen.items():
        assert report.keys() == ALWAYS, name
        assert report["schema"] == "opsctl.report/2"
        assert all(cause.keys() >= OF_A_CAUSE for cause in report["causes"]), name
        assert all({"id", "state", "says"} <= f.keys() for f in report["findings"])
        assert all({"reason", "says"} <= u.keys() for u in report["unknown"])
        ids = {e["id"] for e in report["evidence"]}
        assert all(set(f.get("evidence", ())) <= ids for f in report["findings"]), "evidence that is not in the report"
    assert seen["asked-so"]["parameters"]["share"] == "20%"
    assert seen["broken"]["severity"] == "sev2"
    assert seen["well"]["severity"] is None


def test_the_schema_refuses_what_is_not_a_report(tmp_path, app):
    report = session(tmp_path, profile({"metrics": app.url})).diagnose("high-latency", "shop")[1]
    for wrong in (
        {"verdict": "fine"},
        {"severity": "P2"},
        {"schema": 7},
        {"findings": {}},
        {"x": 1},
        {"says": None},
    ):
        with pytest.raises(AssertionError):
            valid(report | wrong)
    schema = json.loads((SCHEMAS / "report.json").read_text())
    assert schema["$defs"]["Report"]["properties"].keys() == ALWAYS
    assert schema["$defs"]["Report"]["additionalProperties"] is False


def test_a_saved_report_is_the_same_and_only_for_its_owner(tmp_path, app):
    shop = session(tmp_path, profile({"metrics": app.url}))
    done = shop.opsctl("diagnose", "high-latency", "-s", "shop", "-o", "json", check=(2,))
    (saved,) = (tmp_path / "home").rglob("reports/*.json")
    assert json.loads(saved.read_text()) == done.json()
    assert saved.stat().st_mode & 0o777 == 0o600
    assert saved.parent.stat().st_mode & 0o777 == 0o700
    text = shop.opsctl("diagnose", "high-latency", "-s", "shop", check=(2,)).out
    assert text.splitlines()[-1].startswith("Saved home/.local/state/opsctl/reports/")


SECRETS = {
    "prometheus": "pw-in-prometheus-url",
    "metrics": "pw-in-metrics-url",
    "query": "key-in-metrics-query",
    "alertmanager": "pw-in-http-config",
    "postgres": GUARDED_PASSWORD,
    "redis": "pw-in-redis-url",
    "kyrodb": "kyrodb-api-key-value",
    "kubernetes": "token-in-kubeconfig",
}


def encoded(secret: str) -> set[str]:
    """A secret as it may also be written."""
    return {secret, base64.b64encode(f"ops:{secret}".encode()).decode()}


def files(folder: Path) -> Iterator[tuple[Path, str]]:
    """Everything that runs of opsctl left in their home."""
    for path in folder.rglob("*"):
        if path.is_file():
            yield path, path.read_text(errors="replace")


@pytest.mark.slow
@pytest.mark.needs("redis")
def test_no_secret_is_ever_shown(tmp_path, postgres):
    """Given in every way there is, to servers of which some tell everything they were sent."""

    def tells(talk: bad.Talk) -> None:
        """An error page that repeats the whole request, as debug pages do."""
        bad.answer(500, b"<html>" + talk.request + b"</html>", "text/html")(talk)

    def prompts(sock: Any) -> None:
        """A database whose error repeats the connection string."""
        text = f'no route for "postgresql://guarded:{GUARDED_PASSWORD}@db/app password={GUARDED_PASSWORD}"'
        raw.postgres_error("08006", text)(sock)

    redis = start_redis(tmp_path / "redis", password=SECRETS["redis"])
    folder = tmp_path / "runs"
    with bad.BadServer(tells) as http, raw.RawServer(prompts) as database, raw.RawServer(raw.http) as grpc:
        kubeconfig = folder / "kubeconfig"
        places = {"metrics": f"{http.url}/metrics", "alertmanager": http.url, "prometheus": http.url}
        places |= {"kubernetes": str(kubeconfig), "kyrodb-text": f"127.0.0.1:{grpc.port}", "postgres": "", "redis": ""}
        shop = session(folder, profile(places, "default"))
        write(folder, kubeconfig, http.url, places["kyrodb-text"])
        netloc = http.netloc
        environs = {
            "told": {"DATABASE_URL": f"postgresql://guarded:{GUARDED_PASSWORD}@127.0.0.1:{database.port}/app"},
            "good": {"DATABASE_URL": postgres.dsn("guarded", "app")},
            "by-parts": {
                "PGHOST": "127.0.0.1", "PGPORT": str(postgres.port), "PGUSER": "guarded", "PGDATABASE": "app",
                "PGPASSWORD": GUARDED_PASSWORD,
            },
        }  # fmt: skip
        written: list[str] = []
        asked: dict[str, set[str]] = {}
        try:
            for name, environ in environs.items():
                shop.environ |= {
                    "PROMETHEUS_URL": f"http://ops:{SECRETS['prometheus']}@{netloc}",
                    "REDIS_URL": redis.url,
                    "KYRODB_KEY": SECRETS["kyrodb"],
                    **environ,
                }
                argvs = [("diagnose", "high-error-rate", "-s", "shop", "-o", "json")]
                if name == "told":
                    argvs += [("diagnose", "high-latency", "-s", "shop"), ("service", "show", "shop")]
                    argvs += [("context", "show", "--sources")]
                for argv in argvs:
                    done = shop.opsctl(*argv)
                    assert done.code in (0, 1, 2, 3), (argv, done.err)
                    written += [done.out, done.err]
                    if "json" in argv:
                        states = {f["id"]: f["state"] for f in done.json()["findings"]}
                        asked[name] = {system for system in ("postgres", "redis") if ok(states, system)}
                for key in environ:
                    del shop.environ[key]
        finally:
            redis.stop()
        received = b"".join(http.requests).decode(errors="replace")
    # they were really used ...
    for used in ("prometheus", "metrics", "alertmanager"):
        assert base64.b64encode(f"ops:{SECRETS[used]}".encode()).decode() in received, used
    assert SECRETS["query"] in received
    assert SECRETS["kubernetes"] in received
    assert asked == {"told": {"redis"}, "good": {"postgres", "redis"}, "by-parts": {"postgres", "redis"}}
    # ... and shown nowhere
    kept = list(files(folder / "home"))
    assert any("reports" in str(path) for path, _ in kept)
    for name, secret in SECRETS.items():
        for form in encoded(secret):
            assert [text for text in written if form in text] == [], name
            assert [path for path, text in kept if form in text] == [], name


def ok(states: dict[str, str], system: str) -> bool:
    """Whether that system was really looked at."""
    return any(state == "ok" for id, state in states.items() if id.startswith(f"{system}."))


def write(folder: Path, kubeconfig: Path, url: str, kyrodb: str) -> None:
    """Credentials in a configuration file and beside it; only the owner may read them."""
    netloc = url.removeprefix("http://")
    password = folder / "password"
    password.write_text(SECRETS["alertmanager"])
    basic = {"username": "ops", "password_file": str(password)}
    context = {
        "alertmanager": {"url": url, "http_config": {"basic_auth": basic}},
        "services": {
            "shop": {
                "direct_pause": "1s",
                "endpoints": {
                    "metrics": {"url": f"http://ops:{SECRETS['metrics']}@{netloc}/metrics?apikey={SECRETS['query']}"},
                    "kyrodb-text": {"url": kyrodb, "api_key_env": "KYRODB_KEY"},
                },
            }
        },
    }
    config = folder / "opsctl.yaml"
    config.write_text(json.dumps({"current-context": "c", "contexts": {"c": context}}, indent=1))
    config.chmod(0o600)
    cluster = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {"token": SECRETS["kubernetes"]}}],
        "contexts": [{"name": "test", "context": {"cluster": "c", "user": "u"}}],
    }
    kubeconfig.write_text(json.dumps(cluster))

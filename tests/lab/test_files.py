"""The opsctl.yaml that the lab writes: opsctl reads it, and it moves every endpoint of the simulated services here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from opsctl.config.places import built_in
from opsctl.config.settings import load_settings
from opsctl.errors import NotConfigured
from opsctl.lab import files
from opsctl.lab.identity import HOST
from opsctl.services.load import apply_override, load_profile
from opsctl.services.resolve import resolver

PORTS = files.Ports(*range(20001, 20001 + len(files.Ports._fields)))
ALL = frozenset({"prometheus", "alertmanager", "postgres", "redis", "kubernetes"})
ELSEWHERE = {"smtp"}  # not part of the lab
NOT_THERE = {("threads", "postgres"), ("threads", "rabbitmq"), ("insa", "webhook"), ("amas", "webhook")}


def settings(folder: Path, there: frozenset[str]):
    path = files.opsctl_config(folder, PORTS, "admin-key", there)
    return load_settings(str(path), None, {}, {"HOME": str(folder)})


@pytest.mark.parametrize("service", files.SERVICES)
def test_every_endpoint_of_a_simulated_service_is_the_labs(tmp_path, service):
    profile = load_profile(service, [built_in()])
    resolve = resolver(profile, settings(tmp_path, ALL))
    for name, spec in profile.endpoints.items():
        if spec.kind in ELSEWHERE:
            continue
        if (service, name) in NOT_THERE:
            continue
        if spec.kind == "kubernetes":
            assert resolve(name).url == str(tmp_path / "kubeconfig")
        else:
            found = resolve(name)
            assert "opsctl.yaml" in found.setting, (name, found.setting)
            assert HOST in found.url
    for name in ("prometheus", "alertmanager"):
        assert HOST in resolve(name).url


def test_faults_show_within_seconds_because_windows_and_durations_are_short(tmp_path):
    found = settings(tmp_path, ALL)
    assert found.context == "lab"
    for service in files.SERVICES:
        profile = apply_override(load_profile(service, [built_in()]), found.override(service))
        assert profile.window == files.WINDOW
        assert {band.for_ for o in profile.objectives if o.kind == "alert" for band in o.bands} <= {files.FOR, "0s"}
        jobs = "=~" + "|".join(files.WORKLOADS) if service == "threads" else service
        assert profile.prometheus_labels["job"] == jobs


def test_what_is_absent_is_not_configured_rather_than_down(tmp_path):
    found = settings(tmp_path, frozenset({"postgres"}))
    resolve = resolver(load_profile("amas", [built_in()]), found)
    for name in ("redis", "prometheus", "alertmanager"):
        with pytest.raises(NotConfigured):
            resolve(name)


def test_the_file_holds_a_key_and_is_for_its_owner_alone(tmp_path):
    path = files.opsctl_config(tmp_path, PORTS, "admin-key", ALL)
    assert "admin-key" in path.read_text()
    assert path.stat().st_mode & 0o077 == 0


def test_a_lab_of_one_service_configures_that_one_alone(tmp_path):
    path = files.opsctl_config(tmp_path, PORTS, "admin-key", ALL, frozenset({"agro"}))
    assert set(json.loads(path.read_text())["contexts"]["lab"]["services"]) == {"agro"}
    config = json.loads(files.prometheus_files(tmp_path, PORTS, frozenset({"agro"}), alertmanager=True).read_text())
    assert [job["job_name"] for job in config["scrape_configs"]] == ["agro"]
    rules = json.loads((tmp_path / "rules.yml").read_text())["groups"][0]["rules"]
    assert {rule["labels"]["service"] for rule in rules} == {"agro"}


def test_alertmanager_tells_agro_of_its_own_alerts_and_nobody_of_the_others(tmp_path):
    found = json.loads(files.alertmanager_file(tmp_path, PORTS, frozenset(files.SERVICES)).read_text())
    assert found["route"]["receiver"] == "nobody"
    assert found["route"]["routes"] == [{"receiver": "agro", "matchers": ['service="agro"']}]
    alone = json.loads(files.alertmanager_file(tmp_path, PORTS, frozenset({"vritti"})).read_text())
    assert [one["name"] for one in alone["receivers"]] == ["nobody"]


def test_without_a_kubernetes_of_its_own_the_lab_never_looks_at_somebody_elses(tmp_path):
    found = settings(tmp_path, frozenset({"prometheus"}))
    with pytest.raises(NotConfigured):
        resolver(load_profile("threads", [built_in()]), found)("kubernetes")

"""Alertmanager: ready, new enough, its cluster together, its configuration loaded, its alerts readable."""

from __future__ import annotations

import time

from opsctl.clients.alertmanager import AlertmanagerReader, AlertmanagerStatus
from opsctl.clients.http import HttpReader
from opsctl.doctor import versions
from opsctl.doctor.acting import another
from opsctl.doctor.model import Checks, Remedy
from opsctl.doctor.site import Site
from opsctl.doctor.web import access, ask, by_way_of
from opsctl.errors import CouldNotLook
from opsctl.signals.exposition import NotMetrics, Page

_RELOADED = "alertmanager_config_last_reload_successful"
_FAILED = "alertmanager_notifications_failed_total"


def examine(site: Site, checks: Checks, until: float) -> None:
    """Raises CouldNotLook when it cannot be reached."""
    assert site.endpoint is not None
    http, reader = HttpReader(site.endpoint), AlertmanagerReader(site.endpoint)
    try:
        ready = ask(http, checks, until, "/-/ready")
        status = reader.status(timeout=_left(until))
        checks.ok("reachable", f"answers its API v2{by_way_of(http)}")
        if ready.status == 200:
            checks.ok("ready", "says that it is ready")
        elif ready.status != 404:
            checks.breach("ready", f"answers HTTP {ready.status} at /-/ready")
        versions.judge(checks, "alertmanager", status.version.version)
        peers = len(status.cluster.peers)
        if status.cluster.status == "settling":
            checks.breach("cluster", "its cluster is settling: silences may differ between members for the moment")
        elif status.cluster.status == "ready":
            alone = "; a cluster of one: nothing takes over when it fails" if peers <= 1 else ""
            checks.ok("cluster", f"its cluster has {peers} member{'' if peers == 1 else 's'}{alone}")
        elif status.cluster.status == "disabled":
            checks.ok("cluster", "it runs alone: nothing takes over when it fails")
        _same(site, status, checks, until)
        began = time.monotonic()
        count = len(reader.alerts(timeout=_left(until)))
        checks.ok("alerts", f"its {count} alerts can be read, in {(time.monotonic() - began) * 1000:.0f} ms")
        _config(http, checks, until)
    except CouldNotLook as failure:
        if failure.reason in ("unauthorized", "forbidden"):
            how = "In opsctl.yaml, under alertmanager of the context, the credentials by reference"
            checks.lost(failure, Remedy(how=how, run=f"alertmanager: {access(site)}"))
            return
        raise
    finally:
        http.close()
        reader.close()


def _same(site: Site, status: AlertmanagerStatus, checks: Checks, until: float) -> None:
    """Of one that acts: members of one cluster share their silences, and know each other by name."""
    if site.beside is None or site.endpoint is None:
        return
    if site.beside.url == site.endpoint.url:
        checks.ok("same-server", "the Alertmanager of the look")
        return
    look = AlertmanagerReader(site.beside)
    try:
        mine, theirs = (
            {peer.name for peer in one.cluster.peers} for one in (status, look.status(timeout=_left(until)))
        )
        if mine & theirs:
            checks.ok("same-server", "the cluster of the look")
        elif mine or theirs:
            another(site, f"{look.address}, where one looks", checks)
        else:
            says = (
                f"neither it nor {look.address}, where one looks, is in a cluster: nothing tells whether they are one"
            )
            checks.unknown("same-server", says, "no-data")
    except CouldNotLook as failure:
        checks.failed("same-server", failure)
    finally:
        look.close()


def _left(until: float) -> float:
    return max(0.1, min(5.0, until - time.monotonic()))


def _config(http: HttpReader, checks: Checks, until: float) -> None:
    """From its own metrics page; a proxy may hide that."""
    try:
        answer = http.get("/metrics", timeout=_left(until), max_bytes=16 * 2**20)
        page = Page(answer.body, content_type=answer.headers.get("content-type", ""))
    except (CouldNotLook, NotMetrics):
        checks.ok("config", "whether its configuration loaded cannot be seen: its /metrics is not shown")
        return
    loaded = [value for _, value, _ in page.samples(_RELOADED)]
    if loaded and loaded[0] == 0:
        says = "its last configuration reload failed: it notifies by the old one"
        how = "On the Alertmanager host, see what is wrong with it"
        checks.breach("config", says, Remedy(how=how, run="amtool check-config /etc/alertmanager/alertmanager.yml"))
    elif loaded:
        checks.ok("config", "its configuration loaded")
    failed = sum(value for _, value, _ in page.samples(_FAILED))
    if failed:
        checks.ok("notifications", f"{failed:.0f} notifications failed since it started")

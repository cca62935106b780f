"""kubernetes.scrape: Prometheus calls a job down; do its pods say so, too? If not, only the scraping is broken."""

from __future__ import annotations

from opsctl.errors import CouldNotLook, NotConfigured
from opsctl.model import Evidence, Seen, Value
from opsctl.probes.kubernetes_available import available, desired
from opsctl.probes.kubernetes_scope import NOTHING_THERE, Row, Scope, merged, present_only
from opsctl.probes.look import Look
from opsctl.probes.registry import Params, probe
from opsctl.probes.signal_reading import read
from opsctl.services.model import Workload

ONLY = "kubernetes.scrape-only"


class ScrapeParams(Params, frozen=True, kw_only=True):
    """``signal``: 1 where a job is up, 0 where not, ``by`` a label that names the workload."""

    signal: str = "service_up_by_job"
    label: str = "job"


@probe(
    "kubernetes.scrape",
    emits={ONLY: "Prometheus calls a workload down while Kubernetes has all its replicas ready"},
    params=ScrapeParams,
    asks="the signal that tells which jobs are up, and the workloads of those that are not",
    privilege="get deployments.apps",
    cost="one query and one GET per workload that is down",
    minimum="apps/v1 (1.9)",
)
def scrape(look: Look, params: ScrapeParams) -> Seen:
    """Kubernetes' readiness is the second opinion. Raises NotConfigured where nothing tells which jobs are up."""
    present_only(look)
    scope = Scope(look)
    reading = read(look, params.signal)
    if reading.unknown is not None:
        unknown = reading.unknown
        raise CouldNotLook(unknown.reason, unknown.says, address=unknown.address, setting=unknown.setting)
    down = sorted({row.labels.get(params.label, "") for row in reading.rows if row.value < 1})
    if not down:
        row = Row("ok", f"Prometheus reaches all {len(reading.rows)} jobs")
        return Seen(findings=(merged(ONLY, [row]),), evidence=(_seen(scope, []),))
    rows: list[Row] = []
    values: list[Value] = []
    for job in down:
        wanted = workload_of(job, scope.wanted)
        if wanted is None:
            rows.append(Row("unknown", f"no workload of the profile is called {job}", reason="not-found"))
            continue
        try:
            for found in scope.find(wanted):
                there, all_ = available(found), desired(found)
                note = f"{there} of {all_} replicas available"
                values.append(Value(name="up", value=0, labels={params.label: job}, note=f"{found.subject}: {note}"))
                says = f"Prometheus calls job {job} down, and {found.subject} has {note}"
                serving = bool(all_) and there >= all_
                rows.append(Row("breach", f"{says}: only its scraping fails") if serving else Row("ok", says))
        except NotConfigured:
            raise
        except CouldNotLook as failure:
            rows.append(Row("unknown", failure.says, reason=failure.reason))
    # One job that is down in earnest outweighs another whose scraping fails.
    if any(row.state == "ok" for row in rows):
        rows = [row for row in rows if row.state == "ok"]
    if not rows:
        rows = [Row("unknown", NOTHING_THERE, reason="not-found")]
    return Seen(findings=(merged(ONLY, rows),), evidence=(_seen(scope, values),))


def workload_of(job: str, wanted: dict[str, Workload]) -> Workload | None:
    """The workload that a job is about: by the profile's name for it, or by the name of the object."""
    return wanted.get(job) or next((each for each in wanted.values() if each.name == job), None)


def _seen(scope: Scope, values: list[Value]) -> Evidence:
    shown = values or [Value(name="jobs down", value=0, unit="count")]
    return scope.evidence("jobs that Prometheus calls down", scope.path("apps", "v1", "deployments"), shown)

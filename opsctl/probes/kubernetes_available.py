"""Is a workload there for its users, and if not, on whose word. Pure: raw objects in, rows out."""

from __future__ import annotations

from opsctl.probes.kubernetes_json import condition, moment, number, part, text
from opsctl.probes.kubernetes_scope import Found, Row
from opsctl.probes.kubernetes_writers import writer_of

# Of a ReplicaSet that may not create its pods: what the quota's admission says.
_QUOTA = ("exceeded quota", "failed quota")


def desired(found: Found) -> int:
    """How many replicas are wanted."""
    if found.kind == "DaemonSet":
        return number(part(found.object, "status"), "desiredNumberScheduled")
    return number(part(found.object, "spec"), "replicas", default=1)


def available(found: Found) -> int:
    """How many serve; a StatefulSet tells only those that are ready before 1.22."""
    status = part(found.object, "status")
    if found.kind == "DaemonSet":
        return number(status, "numberAvailable")
    if found.kind == "StatefulSet" and "availableReplicas" not in status:
        return number(status, "readyReplicas")
    return number(status, "availableReplicas")


def scaled_to_zero(found: Found) -> Row:
    """Nobody is wanted: somebody wants it so, and the object knows who wrote that."""
    wanted = desired(found)
    if wanted:
        return Row("ok", f"{found.subject}: {wanted} wanted", measured=wanted)
    if found.kind == "DaemonSet":
        return Row("breach", f"{found.subject} is wanted on no node", measured=0)
    writer = writer_of(found.object, "spec", "replicas")
    says = f"{found.subject} is scaled to zero on purpose (spec.replicas 0)"
    if writer is None:
        return Row("breach", f"{says}; who did it is not recorded", measured=0)
    return Row("breach", f"{says}, written by {writer.name} at {writer.at:%F %T} UTC", measured=0, since=writer.at)


def unavailable(found: Found) -> Row:
    """Not one replica serves."""
    wanted, there = desired(found), available(found)
    if there:
        return Row("ok", f"{found.subject}: {there} of {wanted} wanted replicas are available", measured=there)
    if not wanted:
        return scaled_to_zero(found)._replace(state="breach")
    at = moment(condition(found.object, "Available").get("lastTransitionTime"))
    since = f", since {at:%F %T} UTC" if at else ""
    many = f"none of {wanted} wanted replicas is" if wanted > 1 else "its only replica is not"
    return Row("breach", f"{found.subject}: {many} available{since}", measured=0, since=at)


def degraded(found: Found, stuck: Row, running: Row) -> Row:
    """Some serve and some do not, beyond what a rollout that goes on takes away for a moment."""
    wanted, there = desired(found), available(found)
    says = f"{found.subject}: {there} of {wanted} wanted replicas are available"
    if not there:
        return Row("ok", f"{says}: none is left that serves", measured=0)
    if stuck.state == "breach":
        return stuck._replace(measured=max(0, wanted - there))
    if there >= wanted:
        return Row("ok", says, measured=0)
    minimum = condition(found.object, "Available")
    moves = running.state == "breach" and not part(found.object, "spec").get("paused")
    if moves and minimum.get("status") != "False":
        return Row("ok", f"{says}; a rollout is under way", measured=wanted - there)
    at = moment(minimum.get("lastTransitionTime")) if minimum.get("status") == "False" else None
    return Row("breach", says, measured=wanted - there, since=at)


def paused(found: Found) -> Row:
    """A pause that holds back pods that are wanted; without a change to roll out it holds back nothing."""
    spec, status = part(found.object, "spec"), part(found.object, "status")
    if found.kind != "Deployment" or not spec.get("paused"):
        return Row("ok", f"{found.subject}: its rollout is not paused")
    wanted, total, updated = desired(found), number(status, "replicas"), number(status, "updatedReplicas")
    counts = f"{updated} of {wanted} updated, {total} in all"
    if updated >= wanted and total <= updated:
        return Row("ok", f"{found.subject} is paused, with nothing held back ({counts})")
    writer = writer_of(found.object, "spec", "paused")
    who = f" by {writer.name}" if writer else ""
    at = moment(condition(found.object, "Progressing").get("lastUpdateTime"))
    since = f" since {at:%F %T} UTC" if at else ""
    return Row("breach", f"{found.subject}: its rollout is paused half-way{who}{since}; {counts}", since=at)


def quota_exceeded(found: Found) -> Row:
    """Pods that a resource quota refuses, in the words of the API server."""
    failing = condition(found.object, "ReplicaFailure")
    message = text(failing, "message")
    if failing.get("status") != "True" or not any(word in message for word in _QUOTA):
        return Row("ok", f"{found.subject}: no quota keeps its pods from being created")
    missing = f"{desired(found) - available(found)} of {desired(found)} replicas are missing"
    says = f"{found.subject}: {missing}: {message[:300]}"
    return Row("breach", says, since=moment(failing.get("lastTransitionTime")))

"""Actions on Kubernetes, one module each: restart, rollback, scale out, evict, quarantine a pod."""

from __future__ import annotations

from opsctl.actions import (  # noqa: F401 - importing registers them
    kubernetes_evict,
    kubernetes_quarantine,
    kubernetes_restart,
    kubernetes_rollback,
    kubernetes_scale,
)

"""The probes on a service's own metrics page, registered by importing this module; they need no Prometheus."""

from __future__ import annotations

from opsctl.probes import metrics_clock, metrics_collector, metrics_page

__all__ = ["metrics_clock", "metrics_collector", "metrics_page"]

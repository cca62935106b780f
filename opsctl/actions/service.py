"""The actions on units of a service. Importing this module registers them all."""

from __future__ import annotations

from opsctl.actions import service_env, service_restart, service_switch  # noqa: F401 - they register themselves

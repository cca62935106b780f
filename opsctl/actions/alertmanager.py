"""Alertmanager's actions: one file each."""

from __future__ import annotations

import opsctl.actions.alertmanager_silence  # noqa: F401 - registers itself

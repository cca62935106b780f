"""Redis actions: one file each."""

from __future__ import annotations

import opsctl.actions.redis_invalidate  # noqa: F401 - registers itself

"""The actions on customers and their keys. Importing this module registers them all."""

from __future__ import annotations

from opsctl.actions import customer_contain, customer_rotate, customer_status

__all__ = ["customer_contain", "customer_rotate", "customer_status"]

"""Probes: read-only looks at one system each, in a registry of stable ids."""

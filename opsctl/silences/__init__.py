"""Silences: matchers, drafts, guards, schedules. Pure, but for what is named ``apply``."""

"""Doubles of servers that misbehave, that record, or that cannot be had here (KyroDB)."""

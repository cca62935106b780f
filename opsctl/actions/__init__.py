"""Actions: typed changes ``system.verb-noun``. Out of reach of everything that looks (a contract in pyproject.toml)."""

"""Alerts as on-call reads them: what fires or is about to, why it is told to whom, what it did before. Read only."""

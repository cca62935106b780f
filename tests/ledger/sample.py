"""Runs as the engine writes them."""

from opsctl.ledger.model import NewRun

ACTION = "postgres.terminate-backend"
SCOPE = "postgres danci@db1:5432"


def new(**changes):
    """A run that is about to begin."""
    given = {
        "actor": "ana",
        "host": "bastion",
        "command": "opsctl remediate db-pool-exhaustion -s amas",
        "reason": "pool is full",
        "ticket": "INC-7",
        "service": "amas",
        "runbook": "db-pool-exhaustion",
        "action": ACTION,
        "scope": SCOPE,
        "plan_hash": "7c1f9a",
        "plan": {"action": ACTION, "proposal": {"steps": [{"number": 1}]}},
    }
    return NewRun(**{**given, **changes})


def step(target, number=1):
    """The body of an intent."""
    return {
        "target": {"id": target, "pin": {"backend_start": "2026-11-21 03:00:00"}, "says": "api, idle 31 min"},
        "number": number,
        "why": "blocks 6 sessions",
        "calls": ["SELECT pg_terminate_backend(4711)"],
    }


def did(state="acted", says="gone after 40 ms"):
    """The body of a result."""
    return {"state": state, "says": says, "seconds": 0.04}


def a_run(ledger, *targets, word="fixed", **changes):
    """A whole run over these targets."""
    run = ledger.begin(new(**changes))
    for number, target in enumerate(targets or ("pid 4711",), 1):
        ledger.append(run.id, "intent", step(target, number), number)
        ledger.append(run.id, "result", did(), number)
    ledger.append(run.id, "outcome", {"run": run.id, "word": word, "says": "free slots 0 -> 9"})
    return run


class Clock:
    """A clock that a test sets."""

    def __init__(self, at=1_795_230_432.0):
        self.at = at

    def __call__(self):
        return self.at

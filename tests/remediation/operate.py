"""One operator as a process of its own: ``python -m tests.remediation.operate FOLDER VERB [RUN|PLAN]``; prints JSON."""

import json
import os
import sys
from pathlib import Path

from opsctl.errors import OpsctlError
from opsctl.remediation.ending import exit_code
from opsctl.remediation.planfile import read
from opsctl.remediation.resuming import resume
from opsctl.remediation.undoing import undo
from opsctl.remediation.workspace import Who
from tests.remediation import world as worlds
from tests.remediation.conftest import Operator


def main(folder: str, verb: str, *rest: str) -> int:
    worlds.action()
    who = Who(os.environ.get("OPSCTL_ACTOR", "ana"), "bastion", f"opsctl {verb}")
    operator = Operator(worlds.World(Path(folder)), dict(os.environ), who)
    try:
        if verb == "apply":
            plan = read(Path(rest[0])) if rest else operator.plan()
            outcome = operator.apply(plan, again=os.environ.get("AGAIN") == "yes")
        elif verb == "resume":
            outcome = resume(rest[0], operator.hands(), operator.ledger, who=who)
        else:
            outcome = undo(rest[0], operator.hands(), operator.ledger, who=who)
    except OpsctlError as error:
        print(json.dumps({"error": type(error).__name__, "says": error.sentence()}))
        return error.code
    print(json.dumps({"word": outcome.word, "says": outcome.says, "run": outcome.run}))
    return exit_code(outcome)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""Every error that may reach a user, each with its exit code.

Two families. ``OpsctlError`` ends the command: one sentence, the place, the remedy, an exit code
(design.md, "Output and exit"). ``CouldNotLook`` never ends a diagnosis: the engine turns it into
an answer "unknown" with its reason.
"""

from __future__ import annotations

from typing import Literal


class OpsctlError(Exception):
    """Base of all errors shown to a user. ``code`` is the process' exit code."""

    code = 70

    def __init__(self, says: str, *, place: str = "", remedy: str = "") -> None:
        super().__init__(says)
        self.says = says
        self.place = place
        self.remedy = remedy

    def sentence(self) -> str:
        """The error as one line: place, fact, remedy."""
        text = f"{self.place}: {self.says}" if self.place else self.says
        if not self.remedy:
            return text
        return f"{text} {self.remedy}" if text.endswith("?") else f"{text.rstrip('.')}. {self.remedy}"


class UsageError(OpsctlError):
    """The command line is wrong: unknown name, bad value."""

    code = 64


class BadData(OpsctlError):
    """A file or an answer given as input cannot be read."""

    code = 65


class Unavailable(OpsctlError):
    """A server that the command cannot do without does not answer."""

    code = 69


class Bug(OpsctlError):
    """Our own mistake."""

    code = 70


class CannotWrite(OpsctlError):
    """A file cannot be written."""

    code = 73


class TryLater(OpsctlError):
    """Somebody else holds the lock."""

    code = 75


class Refused(OpsctlError):
    """A guard or a missing permission forbids it."""

    code = 77


class ConfigError(OpsctlError):
    """Configuration, service profile or runbook is wrong: file, line, key, allowed values."""

    code = 78


class Interrupted(OpsctlError):
    """Ctrl-C after something may have been changed: the sentence says how far it got."""

    code = 130


Reason = Literal[
    "not-configured",  # nothing says where to look
    "unresolved",  # DNS
    "refused",  # nothing listens
    "timeout",  # no answer before the deadline
    "closed",  # connection closed half-way
    "tls",  # handshake or certificate
    "unauthorized",  # 401, bad credentials
    "forbidden",  # 403, missing privilege
    "not-found",  # 404, no such object
    "throttled",  # 429
    "server-error",  # 5xx
    "bad-answer",  # HTML, broken JSON, wrong shape
    "too-large",  # more than the limit
    "bad-query",  # the server rejects the question
    "no-data",  # no series, empty vector, no rows
    "too-few",  # not enough samples to judge
    "not-a-number",  # NaN or infinity
    "stale",  # the newest sample is too old
    "no-history",  # the source has no past
    "unsupported",  # the server is too old or does not offer it
    "slots-full",  # Postgres: no connection slot is left
    "missing-library",  # an optional package is not installed
    "skipped",  # left out to spare a loaded server
    "not-recorded",  # a replay: the report does not hold it
    "bug",  # our own mistake, see the note
]


class CouldNotLook(Exception):
    """A read client's only failure. ``says`` is one sentence without secrets.

    ``address`` names what was asked, ``setting`` the setting that chose that address
    (for instance ``env PROMETHEUS_URL``).
    """

    def __init__(self, reason: Reason, says: str, *, address: str = "", setting: str = "") -> None:
        super().__init__(says)
        self.reason: Reason = reason
        self.says = says
        self.address = address
        self.setting = setting


class NotConfigured(CouldNotLook):
    """The service does not define it, or no setting says where it is: its own answer, never "healthy"."""

    def __init__(self, says: str, *, setting: str = "") -> None:
        super().__init__("not-configured", says, setting=setting)

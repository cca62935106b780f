"""Which parts each service of the lab needs, and with which settings they start."""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path
from typing import Any

from opsctl.lab.amas_store import USERS, WORDS
from opsctl.lab.files import Ports, env_file

AGE = 7200.0  # the services say that they were deployed two hours ago: a fault made now is not a deployment's fault
CUSTOMERS = 8
KEY_CACHE = 6.0  # seconds for which Vritti remembers a validated key; five minutes in the original
RELEASE = {"version": "2.3.1", "slower": 0.0, "failing": 0.0, "loading": 0.0}


class Plan:
    """The settings of all simulated parts of one lab."""

    def __init__(self, ports: Ports, logs: Path) -> None:
        self.ports, self._logs = ports, logs
        self.admin_key = secrets.token_hex(8)
        self._keys = {f"key-{n}-{secrets.token_hex(6)}": f"customer-{n}" for n in range(CUSTOMERS)}

    def kyrodb(self, instance: str) -> dict[str, Any]:
        """One double of KyroDB, ``text`` or ``image``."""
        text = instance == "text"
        port = self.ports.kyrodb_text if text else self.ports.kyrodb_image
        http = self.ports.kyrodb_text_http if text else self.ports.kyrodb_image_http
        return {"instance": instance, "port": port, "http_port": http, "started": time.time() - AGE}

    def vritti(self) -> dict[str, Any]:
        """Vritti."""
        ports = self.ports
        self._keep_keys()
        return {
            "port": ports.vritti,
            "log": str(self._logs / "app.log"),
            "started": time.time() - AGE,
            "release": RELEASE,
            "admin_key": self.admin_key,
            "keys": self._keys,
            "customers": str(self._logs.parent / "work" / "customers.json"),
            "key_cache": KEY_CACHE,
            "kyrodb": {"text": ports.kyrodb_text, "image": ports.kyrodb_image},
            "provider": ports.provider,
        }

    def _keep_keys(self) -> None:
        """What the customers hold: to practise what is done about a stolen key one needs its text."""
        folder = self._logs.parent / "work" / "keys"
        folder.mkdir(mode=0o700, exist_ok=True, parents=True)
        for key, customer in self._keys.items():
            with os.fdopen(os.open(folder / f"{customer}.key", os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
                file.write(key + "\n")

    def amas(self, dsn: str, redis: bool) -> dict[str, Any]:
        """AMAS on this database; ``redis``: whether there is one."""
        return {
            "port": self.ports.amas,
            "log": str(self._logs / "application.log"),
            "started": time.time() - AGE,
            "dsn": dsn,
            "redis": self.ports.redis if redis else 0,
            "env": str(env_file(self._logs.parent)),
        }

    def insa(self) -> dict[str, Any]:
        """INSA's agents."""
        return {"port": self.ports.insa, "provider": self.ports.provider, "started": time.time() - AGE}

    def agro(self) -> dict[str, Any]:
        """AGRO."""
        return {
            "port": self.ports.agro,
            "reranker": self.ports.reranker,
            "alerts": str(self._logs / "alerts.jsonl"),
            "started": time.time() - AGE,
            "release": RELEASE,
        }

    def threads(self) -> dict[str, Any]:
        """The applications that run in Threads' pods."""
        ports = self.ports
        workloads = {"orchestrator": ports.orchestrator, "celery-worker": ports.celery_worker}
        workloads["persona-runtime"] = ports.persona_runtime
        return {"ports": workloads, "started": time.time() - AGE}

    def traffic(self, services: frozenset[str]) -> dict[str, Any]:
        """The clients of these services."""
        ports = self.ports
        every: dict[str, dict[str, Any]] = {
            "vritti": {
                "port": ports.vritti,
                "keys": list(self._keys),
                "admin_key": self.admin_key,
                "provider": ports.provider,
            },
            "insa": {"port": ports.insa},
            "amas": {"port": ports.amas, "users": USERS, "words": WORDS},
            "agro": {"port": ports.agro},
            "threads": {"port": ports.orchestrator},
        }
        return {name: one for name, one in every.items() if name in services}

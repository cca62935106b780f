"""Waiting until the lab's numbers can be judged: enough requests in the window, and Prometheus has seen them."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
import urllib.parse
from collections.abc import Callable

from opsctl.errors import Unavailable
from opsctl.lab.files import WORKLOADS
from opsctl.lab.identity import HOST
from opsctl.lab.state import Lab, Part

SECONDS = 18.0  # of traffic: a window and a little more
SAMPLES = 14  # scrapes in a window of 15 s
SHOWN = 26.0  # the window of 15 s and the duration of 10 s that an objective must be broken
FEW = 4  # requests under way in a healthy service
METRICS = {"vritti": "/metrics", "amas": "/api/about/metrics/prometheus", "threads": "/metrics"}
JOBS = {"vritti": ("vritti",), "amas": ("amas",), "insa": ("insa",), "agro": ("agro",), "threads": WORKLOADS}


def wait_warm(lab: Lab, say: Callable[[str], None], deadline: float) -> None:
    """Wait until direct scraping and (where there is one) Prometheus can answer. Raises Unavailable at the deadline."""
    begun = time.monotonic()
    there = {part.name: part for part in lab.parts if part.state == "up"}
    jobs = [job for part, jobs in JOBS.items() if part in there for job in jobs]
    say(f"Waiting for {SECONDS:.0f} s of traffic.")
    while time.monotonic() < begun + SECONDS or (
        "prometheus" in there and not _scraped(there["prometheus"].address, jobs)
    ):
        if time.monotonic() > deadline:
            raise Unavailable("the lab's Prometheus did not collect enough samples in time")
        time.sleep(0.5)


def wait_shown(say: Callable[[str], None]) -> None:
    """Wait until a fault that was just switched on fills the window and its objective's duration has passed."""
    say(f"Waiting {SHOWN:.0f} s until it shows in the numbers (--no-wait does not).")
    time.sleep(SHOWN)


def wait_gone(lab: Lab, say: Callable[[str], None]) -> None:
    """Wait until the requests that piled up are answered, then until the window holds none of them; at most 90 s."""
    say("Waiting until the numbers are normal again (--no-wait does not).")
    deadline = time.monotonic() + 90.0 - SECONDS
    calm = 0
    while calm < 4 and time.monotonic() < deadline:
        calm = (
            calm + 1 if all(_drained(part) for part in lab.parts if part.name in METRICS and part.state == "up") else 0
        )
        time.sleep(0.5)
    time.sleep(SECONDS)


def _drained(part: Part) -> bool:
    """Whether few requests are under way in a service; one that does not answer is not there yet."""
    link = http.client.HTTPConnection(HOST, int(part.address.rpartition(":")[2]), timeout=5)
    try:
        link.request("GET", METRICS[part.name])
        page = link.getresponse().read().decode()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        with contextlib.suppress(OSError):
            link.close()
    lines = [line for line in page.splitlines() if "http_requests_active" in line and not line.startswith("#")]
    return sum(float(line.rpartition(" ")[2]) for line in lines) <= FEW


def _scraped(url: str, jobs: list[str]) -> bool:
    """Whether each job has its samples of the last window."""
    query = urllib.parse.urlencode({"query": f'count_over_time(up{{job=~"{"|".join(jobs)}"}}[15s])'})
    link = http.client.HTTPConnection(HOST, int(url.rpartition(":")[2]), timeout=5)
    try:
        link.request("GET", f"/api/v1/query?{query}")
        found = json.loads(link.getresponse().read())
        counts = [float(series["value"][1]) for series in found["data"]["result"]]
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return False
    finally:
        with contextlib.suppress(OSError):
            link.close()
    return len(counts) == len(jobs) and min(counts) >= SAMPLES

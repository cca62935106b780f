"""What each fault of Threads does: on the API server (a failure of kube_failures), and to the applications."""

from __future__ import annotations

from typing import NamedTuple

ILL = ("orchestrator",)


class Effect(NamedTuple):
    """``down``: workloads of which no pod runs; ``page_broken``: those whose metrics page fails; ``pods``: share of the
    orchestrator's pods that run; ``heavier``: factor of its work; ``failing``: share of its requests that are lost."""

    down: tuple[str, ...] = ()
    page_broken: tuple[str, ...] = ()
    pods: float = 1.0
    heavier: float = 1.0
    failing: float = 0.0


EFFECTS: dict[str, Effect] = {
    "threads-crash-loop": Effect(down=ILL),
    "threads-oom-killed": Effect(pods=0.5),
    "threads-image-pull": Effect(pods=0.5),
    "threads-unschedulable": Effect(down=ILL),
    "threads-probe-failing": Effect(down=ILL),
    "threads-node-lost": Effect(down=("persona-runtime",), pods=0.5, failing=0.15),
    "threads-rollout-stuck": Effect(pods=0.5),
    "threads-rollout-paused": Effect(down=ILL),
    "threads-no-endpoints": Effect(down=ILL),
    "threads-missing-config": Effect(pods=0.5),
    "threads-quota-full": Effect(pods=0.5),
    "threads-hpa-at-max": Effect(heavier=2.1),
    "threads-scaled-to-zero": Effect(down=ILL),
    "threads-scrape-only": Effect(page_broken=ILL),
}

# Fault -> failure of kube_failures; the others leave the API server's objects as they are.
KUBE: dict[str, str] = {name: name.removeprefix("threads-") for name in EFFECTS if name != "threads-scrape-only"}

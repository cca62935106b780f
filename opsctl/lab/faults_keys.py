"""The faults of Vritti's keys and of what its reflections cost."""

from __future__ import annotations

from opsctl.lab.fault import BUDGET, KEYS, Fault, Remedy

CONTAIN = (
    "--customer",
    "customer-3",
    "--key",
    "key_3",
    "--key-file",
    ".",
    "--without-proof",
    "--cache-ttl",
    "6s",
)
RAISE = ("--to", "100", "--approver", "finance", "--route", "/admin/budget")

FAULTS: tuple[Fault, ...] = (
    Fault(
        "stolen-key",
        "vritti",
        KEYS,
        "stolen-key",
        "A stranger uses customer-3's key from 203.0.113.50 beside its owner: many reflections, many foreign ids.",
        also=((BUDGET, "runaway-client"),),
        remedy=Remedy(KEYS, "contain-key", CONTAIN),
    ),
    Fault(
        "admin-key-stolen",
        "vritti",
        KEYS,
        "stolen-admin-key",
        "Somebody at 203.0.113.66 lists and makes customer keys with the administrators' key.",
    ),
    Fault(
        "customer-loop",
        "vritti",
        KEYS,
        "customer-loop",
        "A program of customer-3 repeats the same search without end, from its usual address.",
    ),
    Fault(
        "key-moved",
        "vritti",
        KEYS,
        "legitimate-new-client",
        "customer-3 works from another address from now on, and no longer from the old one.",
    ),
    Fault(
        "provider-key-stolen",
        "vritti",
        KEYS,
        "stolen-provider-key",
        "Somebody calls the models with the service's key, past the service.",
        also=((BUDGET, "spent-elsewhere"),),
    ),
    Fault(
        "reflect-growth",
        "vritti",
        BUDGET,
        "growth",
        "All customers ask for three times as many reflections.",
        remedy=Remedy(BUDGET, "raise-limit", RAISE),
    ),
    Fault(
        "low-confidence",
        "vritti",
        BUDGET,
        "more-calls",
        "The models are sure of no answer; each is asked four times.",
    ),
    Fault(
        "prompt-bloat",
        "vritti",
        BUDGET,
        "larger-prompts",
        "Retrieval has no limit: prompts hold 45 episodes, not 6.",
    ),
    Fault("premium-shift", "vritti", BUDGET, "tier-shift", "Nine of ten reflections are taken for the premium tier."),
    Fault(
        "price-change", "vritti", BUDGET, "price-change", "The provider bills four times as much for the same tokens."
    ),
    Fault(
        "budget-cap-low",
        "vritti",
        BUDGET,
        "working-as-designed",
        "The daily limit is set to less than an ordinary day costs: the breaker shuts the premium tier.",
    ),
)

"""A metrics page of 50 MB, scraped twice by a whole diagnosis without a Prometheus."""

from __future__ import annotations

import json
import statistics
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.bench.measure import Argv, run
from tests.bench.table import Row
from tests.servers.web import start_web

SIZE = 50 * 10**6
EDGES = ("0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "+Inf")
PAUSE = 1.0

# In the process that evaluates: both pages are read and every signal is evaluated, as a direct scrape does.
EVALUATE = """
import json, sys, time
from opsctl.services.load import load_profile
from opsctl.signals.direct import Scrapes, evaluate
from opsctl.signals.exposition import Page
from pathlib import Path
folder = Path(sys.argv[1])
profile = load_profile("big", [folder])
bodies = [(folder / name).read_bytes() for name in ("first.txt", "second.txt")]
began = time.process_time()
scrapes = Scrapes(*(Page(body, time=time.time()) for body in bodies), 5.0)
rows = {name: len(evaluate(signal, scrapes, window=5.0).rows) for name, signal in profile.signals.items()}
print(json.dumps({"seconds": time.process_time() - began, "rows": rows}))
"""


def _page(step: int) -> bytes:
    """Histograms of many endpoints, a third of them of the metric that the signals read; counters grow by ``step``."""
    parts, size, number = [b"# TYPE asked_seconds histogram\n"], 0, 0
    while size < SIZE:
        name = ("asked_seconds", "stored_seconds", "sent_seconds")[number % 3]
        labels = f'endpoint="/api/v1/resource/{number % 2000}",method="GET",status="{200 + number // 2000 % 5 * 100}"'
        lines = [
            f'{name}_bucket{{{labels},le="{edge}",pod="{number}"}} {10 * (n + 1) + step * (n + 1)}\n'
            for n, edge in enumerate(EDGES)
        ]
        lines.append(f'{name}_count{{{labels},pod="{number}"}} {100 + step * 10}\n')
        lines.append(f'{name}_sum{{{labels},pod="{number}"}} {12.5 + step * 0.3}\n')
        parts.append("".join(lines).encode())
        size += len(parts[-1])
        number += 1
    return b"".join(parts)


def _files(folder: Path, url: str) -> None:
    """A profile with one signal of each kind, and a runbook that needs them all."""
    histogram = "asked_seconds"
    signals = {
        "latency_p99": {"quantile": 0.99, "histogram": histogram, "unit": "s"},
        "latency_p99_by_endpoint": {"quantile": 0.99, "histogram": histogram, "by": ["endpoint"], "unit": "s"},
        "latency_mean": {"mean": histogram, "unit": "s"},
        "request_rate": {"rate": f"{histogram}_count"},
        "error_ratio": {  # one counter over all of them
            "ratio": {
                "of": {"metric": f"{histogram}_count", "where": {"status": "=~5.."}},
                "over": f"{histogram}_count",
            }
        },
        "queue_depth": {"gauge": "stored_seconds_count", "agg": "max"},
    }
    profile = {
        "service": "big",
        "direct_pause": f"{PAUSE:g}s",
        "endpoints": {"metrics": {"kind": "metrics", "url": url}},
        "signals": signals,
        "symptoms": [{"id": "high", "runbook": "big-page", "endpoint": "metrics"}],
    }
    looks = [
        {"probe": "signal.threshold", "with": {"signal": name, "above": 1e9, "finding": f"local.high-{number}"}}
        for number, name in enumerate(signals)
    ]
    cause = {"cause": "none", "says": "Something is high.", "confirms": ["local.high-0"]}
    runbook = {
        "runbook": "big-page",
        "title": "A large page",
        "meaning": "For measuring.",
        "impact": "None.",
        "diagnosis": looks,
        "causes": [cause],
    }
    (folder / "services").mkdir(parents=True)
    (folder / "services" / "big.yaml").write_text(json.dumps(profile))
    (folder / "big-page.yaml").write_text(json.dumps(runbook))


def rows(opsctl: Path, env: dict[str, str], empty: Path) -> Iterator[Row]:
    """CPU seconds of the evaluation alone, then the peak of memory of the whole command."""
    folder = empty.parent / "page"
    pages = [_page(0), _page(7)]
    asked = iter(range(10**9))
    web = start_web({"/metrics": lambda: pages[next(asked) % 2]})
    try:
        _files(folder, f"{web.url}/metrics")
        for name, page in zip(("first.txt", "second.txt"), pages, strict=True):
            (folder / name).write_bytes(page)
        what = f"metrics page of {len(pages[0]) / 1e6:.0f} MB: both scrapes evaluated, 6 signals (CPU)"
        seconds = []
        for _ in range(5):
            argv = [str(opsctl.parent / "python"), "-c", EVALUATE, str(folder)]
            done = subprocess.run(argv, env=env, cwd=empty, capture_output=True, text=True, timeout=300, check=False)
            if done.returncode != 0:
                yield Row(what, None, 2.0, "s", done.stderr.strip()[-200:])
                break
            told = json.loads(done.stdout)
            empty_signals = [name for name, count in told["rows"].items() if count == 0]
            if empty_signals:
                yield Row(what, None, 2.0, "s", f"no value for {', '.join(empty_signals)}")
                break
            seconds.append(float(told["seconds"]))
        else:
            yield Row(what, statistics.median(seconds), 2.0, "s")
        what = "  peak memory of the whole diagnosis"
        look: Argv = [opsctl, "--runbooks", folder, "diagnose", "big-page", "-s", "big", "--no-save", "--direct"]
        runs = [run(look, env, empty) for _ in range(3)]
        bad = next((one.code for one in runs if one.code not in (0, 3)), None)
        if bad is None and len(web.requests) == 2 * len(runs):
            yield Row(what, max(one.peak for one in runs) / 2**20, 250.0, "MB")
            yield Row(
                "  the whole diagnosis",
                statistics.median(one.wall for one in runs),
                None,
                "s",
                "two scrapes, 1 s apart",
            )
        else:
            yield Row(what, None, 250.0, "MB", f"it ends with {bad} after {len(web.requests)} scrapes")
    finally:
        web.stop()

"""How fast is it? CPU times of import, first and warm estimate, and draws; ratios in one run.

Run: python benchmarks/speed.py
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from typing import Any

SETUP = """
run = cm.Scenario(architecture="llama-3.1-8b", recipe=cm.Pretraining(tokens=15e12, sequence_length=8192),
                  cluster=cm.Cluster("H100-SXM", 1024), prices=cm.Rental(price=2.5))
"""
CASES = {
    "python alone": "pass",
    "import numpy, pydantic": "import numpy, pydantic",
    "import costmodel": "import costmodel",
    "first estimate": f"import costmodel as cm\n{SETUP}\nest = cm.estimate(run)\nest.value('cost')",
    "first estimate, market price": f"import costmodel as cm\n{SETUP}\ncm.estimate(run.replace(prices={{}}))",
    "first estimate, with its table": f"import costmodel as cm\n{SETUP}\nstr(cm.estimate(run))",
    "command line": "import sys\nsys.argv = ['costmodel', 'estimate', 'llama-3.1-8b', '--tokens', '15T', '--gpu', "
    "'H100-SXM', '--gpus', '1024']\nfrom costmodel.cli import main\nmain()",
}
REPEATS = 7


def cpu_of(code: str, cache: str) -> float:
    """Return the least CPU time [s] of a fresh interpreter that runs `code`, of several runs.

    Modules are compiled once, into `cache`, as an installation does.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    times = []
    for _ in range(REPEATS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL,
                       env=environment | {"PYTHONPYCACHEPREFIX": cache})  # fmt: skip
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(times)


def warm() -> None:
    """Print the times of warm estimates and of a million draws, and the peak memory."""
    import costmodel as cm

    run = cm.Scenario(
        architecture="llama-3.1-8b",
        recipe=cm.Pretraining(tokens=15e12, sequence_length=8192),
        cluster=cm.Cluster("H100-SXM", 1024),
    )
    cm.estimate(run)
    start = time.process_time()
    for _ in range(500):
        cm.estimate(run)
    print(f"warm estimate without its interval: {(time.process_time() - start) / 500 * 1e3:.3f} ms (below 1)")
    times = []
    for number in range(20):  # another scenario each time, so that its layout is planned
        other = run.replace({"recipe.tokens": 15e12 + number, "cluster.network_bandwidth": 50 + number})
        start = time.process_time()
        cm.estimate(other)
        times.append(time.process_time() - start)
    print(f"warm estimate with a planned layout: {sorted(times)[10] * 1e3:.1f} ms (below 15)")
    start = time.process_time()
    for count in range(1, 101):
        cm.estimate(run.replace({"cluster.count": 8 * count}))
    print(f"warm estimate with a plan of its own: {(time.process_time() - start) / 100 * 1e3:.1f} ms (below 15)")
    start = time.process_time()
    cm.estimate(run).sample(1_000_000)
    print(f"a million draws through the chain: {time.process_time() - start:.2f} s (below 1)")
    others = cm.OtherCosts(checkpoints={}, data={}, egress={"checkpoints": 1}, evaluation={"share": "1 to 4 %"})
    bill = cm.estimate(run.replace(prices=cm.Ownership(), scope="development", other_costs=others))
    start = time.process_time()
    bill.draws("cost", 1_000_000)
    print(f"a million draws of a full owned bill: {time.process_time() - start:.2f} s (below 2)")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"peak memory: {peak:.2f} GiB (below 1)")


SWEEPS: dict[str, dict[str, list[Any]]] = {
    "of prices and tokens": {
        "cluster.count": [8, 16, 32, 64, 128],
        "prices.price": [1 + 0.1 * step for step in range(20)],
        "recipe.tokens": [1e11 * step for step in range(1, 11)],
    },
    "of layouts": {
        "cluster.count": [8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096],
        "recipe.batch_size": [256, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192],
        "recipe.sequence_length": [1024, 2048, 3072, 4096, 5120, 6144, 7168, 8192, 12288, 16384],
    },
}
"""Sweeps of 1,000 scenarios: with few plans of the layout, and with a plan for each scenario."""


def sweeps() -> None:
    """Print the times of sweeps, and of loops over every twentieth of their scenarios, with intervals."""
    import costmodel as cm
    from costmodel.training.layouts.planner import forget

    run = cm.Scenario(
        architecture="llama-3.1-8b",
        recipe=cm.Pretraining(tokens=1e12, batch_size=512),
        cluster=cm.Cluster("H100-SXM", 64),
    )
    cm.estimate(run).rows()
    for name, values in SWEEPS.items():
        forget()
        start = time.process_time()
        result = cm.sweep(run, values)
        swept = time.process_time() - start
        forget()
        start = time.process_time()
        for changes in result.changes[::20]:
            with suppress(cm.InputError):
                cm.estimate(run.replace(changes)).rows()
        looped = (time.process_time() - start) * 20
        print(
            f"sweep {name}: {swept:.2f} s for {len(result):,} scenarios; loop / sweep: {looped / swept:.1f} (above 5)"
        )


def main() -> None:
    """Print all measurements."""
    with tempfile.TemporaryDirectory() as cache:
        measured = {name: cpu_of(code, cache) for name, code in CASES.items()}
    base = measured["python alone"]
    for name, seconds in measured.items():
        print(f"{name}: {seconds * 1e3:.0f} ms CPU, {(seconds - base) * 1e3:.0f} above python alone")
    peers = measured["import numpy, pydantic"]
    print(f"first estimate / import of numpy and pydantic: {measured['first estimate'] / peers:.2f} (below 1.3)")
    warm()
    sweeps()


if __name__ == "__main__":
    main()

"""CPU time and memory of imports, estimates, sweeps, draws, fits and searches, each beside its target.

Run: python benchmarks/speed.py [PART OF A NAME ...]. Every case runs in a process of its own, so that its memory and
its caches are its own. Times are CPU times, the least of a few repeats where a case can be repeated.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
SETUP = """
run = cm.Scenario(architecture="llama-3.1-8b", recipe=cm.Pretraining(tokens=15e12, sequence_length=8192),
                  cluster=cm.Cluster("H100-SXM", 1024), prices=cm.Rental(price=2.5))
"""
COLD = {
    "python alone": "pass",
    "import numpy, pydantic": "import numpy, pydantic",
    "import costmodel": "import costmodel",
    "first estimate": f"import costmodel as cm\n{SETUP}\nest = cm.estimate(run)\nest.value('cost')",
    "first estimate, market price": f"import costmodel as cm\n{SETUP}\ncm.estimate(run.replace(prices={{}}))",
    "first estimate, with its table": f"import costmodel as cm\n{SETUP}\nstr(cm.estimate(run))",
    "command line": "import sys\nsys.argv = ['costmodel', 'estimate', 'llama-3.1-8b', '--tokens', '15T', '--gpu', "
    "'H100-SXM', '--gpus', '1024']\nfrom costmodel.cli import main\nmain()",
}
"""Code of a fresh interpreter by name."""
REPEATS = 7
MIB = 2**20


class Case(NamedTuple):
    """A measurement in a process of its own."""

    measure: Callable[[], dict[str, float]]
    """Returns the figures by unit."""
    targets: dict[str, float]
    """Limits by unit: figures must be below them, "ratio" above."""


def cpu_of(code: str, cache: str) -> float:
    """Return the least CPU time [s] of a fresh interpreter that runs `code`, of several runs.

    Modules are compiled once, into `cache`, as an installation does.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = cache
    times = []
    for _ in range(REPEATS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL, env=environment)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(times)


def seconds_of(function: Callable[[], Any], repeats: int = 5, inner: int = 1) -> float:
    """Return the least CPU time [s] of a call, of several repeats of `inner` calls."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        for _ in range(inner):
            function()
        times.append((time.process_time() - start) / inner)
    return min(times)


def peak() -> float:
    """Return the peak memory of the process [MiB]."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def resident() -> float:
    """Return the memory of the process [MiB]."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / MIB


def job(**changes: Any) -> Any:
    """Return the scenario of most cases."""
    import costmodel as cm

    run = cm.Scenario(
        architecture="llama-3.1-8b",
        recipe=cm.Pretraining(tokens=1e12, batch_size=512),
        cluster=cm.Cluster("H100-SXM", 64),
    )
    return run.replace(changes)


def warm_given() -> dict[str, float]:
    """Measure an estimate whose MFU is given."""
    import costmodel as cm

    run = job(mfu=0.4, **{"prices.price": 2.5})
    cm.estimate(run)
    return {"ms": 1e3 * seconds_of(lambda: cm.estimate(run), 10, 100)}


def warm_market() -> dict[str, float]:
    """Measure an estimate whose MFU is given, with the market price."""
    import costmodel as cm

    run = job(mfu=0.4)
    cm.estimate(run)
    return {"ms": 1e3 * seconds_of(lambda: cm.estimate(run), 10, 100)}


def warm_planned() -> dict[str, float]:
    """Measure estimates whose layouts are planned anew, each with another number of accelerators."""
    import costmodel as cm

    runs = [job(**{"cluster.count": 8 * count, "recipe.batch_size": None}) for count in range(1, 101)]
    cm.estimate(job())
    return {"ms": 1e3 * seconds_of(lambda: [cm.estimate(run) for run in runs], 1) / len(runs)}


def warm_kept_plan() -> dict[str, float]:
    """Measure an estimate whose plan is known from an earlier one."""
    import costmodel as cm

    run = job()
    cm.estimate(run)
    return {"ms": 1e3 * seconds_of(lambda: cm.estimate(run), 10, 100)}


def allocate() -> dict[str, float]:
    """Measure the first allocation of a process that made an estimate before."""
    import costmodel as cm

    run = job(**{"recipe.batch_size": None, "cluster.count": 256})
    cm.estimate(run)
    law = cm.scaling_law("besiroglu-2024")
    return {"s": seconds_of(lambda: cm.allocate(law, run, "1 M$"), 1)}


def card() -> dict[str, float]:
    """Measure what fits on one accelerator, over all models of the catalog."""
    import costmodel as cm

    cm.estimate(job())
    return {"s": seconds_of(lambda: cm.what_fits(accelerator="RTX-4090", count=1, tokens="20M"), 1)}


def catalog() -> dict[str, float]:
    """Measure on which accelerators of the catalog a model fits."""
    import costmodel as cm

    cm.estimate(job())
    return {"s": seconds_of(lambda: cm.what_fits("llama-3.1-8b", tokens="20M"), 1)}


def large_sweep() -> dict[str, float]:
    """Measure a sweep of 100,000 scenarios, in CPU seconds per core of two."""
    import costmodel as cm

    run = job()
    cm.sweep(run, {"cluster.count": [64]})
    values = {
        "cluster.count": [8 * 2**step for step in range(10)],
        "prices.price": [1 + 0.01 * step for step in range(200)],
        "recipe.tokens": [1e11 * step for step in range(1, 51)],
    }
    spent = seconds_of(lambda: cm.sweep(run, values), 1)
    return {"s on two cores": spent / 2, "MiB": peak()}


SWEEPS: dict[str, dict[str, list[Any]]] = {
    "prices and tokens": {
        "cluster.count": [8, 16, 32, 64, 128],
        "prices.price": [1 + 0.1 * step for step in range(20)],
        "recipe.tokens": [1e11 * step for step in range(1, 11)],
    },
    "layouts": {
        "cluster.count": [8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096],
        "recipe.batch_size": [256, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192],
        "recipe.sequence_length": [1024, 2048, 3072, 4096, 5120, 6144, 7168, 8192, 12288, 16384],
    },
}
"""Sweeps of 1,000 scenarios: with few plans of the layout, and with a plan for each scenario."""


def sweep_against_loop(name: str) -> dict[str, float]:
    """Measure a sweep, and a loop of estimates with intervals over every twentieth of its scenarios."""
    import costmodel as cm
    from costmodel.training.layouts.planner import forget

    run, values = job(), SWEEPS[name]
    cm.estimate(run).rows()
    forget()
    start = time.process_time()
    result = cm.sweep(run, values)
    swept = time.process_time() - start
    forget()
    start = time.process_time()
    for changes in result.changes[::20]:
        with suppress(cm.InputError):
            cm.estimate(run.replace(changes)).rows()
    return {"s": swept, "ratio": (time.process_time() - start) * 20 / swept}


def million_draws() -> dict[str, float]:
    """Measure a million draws of all figures of an estimate, and the memory of the process."""
    import costmodel as cm

    result = cm.estimate(job())
    result.sample(1_000)
    before = peak()
    spent = seconds_of(lambda: result.sample(1_000_000), 3)
    return {"s": spent, "MiB": peak() - before}


def million_draws_of_cost() -> dict[str, float]:
    """Measure a million draws of the cost."""
    import costmodel as cm

    result = cm.estimate(job())
    result.draws("cost", 1_000)
    before = peak()
    spent = seconds_of(lambda: result.draws("cost", 1_000_000), 3)
    return {"s": spent, "MiB": peak() - before}


def million_draws_of_a_bill() -> dict[str, float]:
    """Measure a million draws of the cost of an owned cluster with all other costs."""
    import costmodel as cm

    others = cm.OtherCosts(checkpoints={}, data={}, egress={"checkpoints": 1}, evaluation={"share": "1 to 4 %"})
    result = cm.estimate(job().replace(prices=cm.Ownership(), scope="development", other_costs=others))
    result.draws("cost", 1_000)
    return {"s": seconds_of(lambda: result.draws("cost", 1_000_000), 1)}


def sample_ranges() -> dict[str, float]:
    """Measure a scenario whose price is given as 20,000 samples."""
    import numpy as np

    import costmodel as cm

    run, prices = job(), np.random.default_rng(0).lognormal(1, 0.1, 20_000)
    run.replace({"prices.price": cm.samples(prices, "USD/hour")})
    spent = seconds_of(lambda: run.replace({"prices.price": cm.samples(prices, "USD/hour")}))
    return {"ms": 1e3 * spent}


def compared() -> dict[str, float]:
    """Measure 200 compared estimates, beyond the memory of a comparison of two."""
    import costmodel as cm

    run = job()
    runs = {f"run {place}": run.replace({"prices.price": cm.between(2, 3 + place / 100)}) for place in range(200)}
    str(cm.compare({name: runs[name] for name in ("run 0", "run 1")}))
    before = resident()
    start = time.process_time()
    comparison = cm.compare(runs)
    comparison.rows()
    return {"s": time.process_time() - start, "MiB": resident() - before}


def large_fit() -> dict[str, float]:
    """Measure a fit of 200,000 losses."""
    import numpy as np

    import costmodel as cm

    rng = np.random.default_rng(0)
    n, d = 10 ** rng.uniform(7.5, 10.2, 200_000), 10 ** rng.uniform(8.5, 11.5, 200_000)
    loss = (1.817 + 478 / n**0.347 + 2143 / d**0.367) * np.exp(rng.normal(0, 0.005, len(n)))
    return {"s": seconds_of(lambda: cm.fit_scaling_law(n, d, loss), 1), "MiB": peak()}


def layout_search() -> dict[str, float]:
    """Measure the search for the layout of GPT-3 175B on 1,024 A100, choices of the software too."""
    import costmodel as cm

    cluster = cm.Cluster("A100-80GB-SXM", 1024)
    recipe = cm.Pretraining(tokens=300e9, sequence_length=2048, batch_size=1536)
    options = ("sequence_parallel", "overlap_tensor", "overlap_data", "offload_optimizer")
    choices: dict[str, Any] = {**dict.fromkeys(options, (True, False)), "loss": ("whole", "half", "fused", "chunked")}
    start = time.process_time()
    found = cm.search_layouts("gpt-3-175b", cluster, recipe, **choices)
    return {"s": time.process_time() - start, "million layouts": found.considered / 1e6}


def claims() -> dict[str, float]:
    """Measure the answers to all claims of the example, read before."""
    from costmodel.claims.check import check_claim
    from costmodel.claims.claim import load_claims

    asked = load_claims(ROOT / "examples" / "claims.toml")
    for claim in asked:
        str(check_claim(claim))
    return {"s": seconds_of(lambda: [str(check_claim(claim)) for claim in asked], 2)}


def frontier() -> dict[str, float]:
    """Measure the comparison of frontier runs with low-cost runs."""
    import costmodel as cm

    def table() -> None:
        found = cm.frontier_against_low_cost()
        str(found), found.rows(), found.summary()

    table()
    return {"s": seconds_of(table, 2)}


CASES: dict[str, Case] = {
    "warm estimate, MFU and price given": Case(warm_given, {"ms": 0.3}),
    "warm estimate, MFU given, market price": Case(warm_market, {"ms": 0.3}),
    "warm estimate, layout planned anew": Case(warm_planned, {"ms": 10}),
    "warm estimate, layout planned before": Case(warm_kept_plan, {"ms": 1}),
    "allocate": Case(allocate, {"s": 0.4}),
    "what_fits of one card": Case(card, {"s": 1.5}),
    "what_fits of the catalog": Case(catalog, {"s": 2.5}),
    "sweep of 100,000 scenarios": Case(large_sweep, {"s on two cores": 10}),
    "sweep of prices and tokens / loop": Case(lambda: sweep_against_loop("prices and tokens"), {"ratio": 5}),
    "sweep of layouts / loop": Case(lambda: sweep_against_loop("layouts"), {"ratio": 5}),
    "a million draws of all figures": Case(million_draws, {"s": 0.5, "MiB": 200}),
    "a million draws of the cost": Case(million_draws_of_cost, {"s": 0.5, "MiB": 200}),
    "a million draws of a full owned bill": Case(million_draws_of_a_bill, {"s": 2}),
    "price given as 20,000 samples": Case(sample_ranges, {"ms": 5}),
    "200 compared estimates": Case(compared, {"MiB": 50}),
    "fit of 200,000 losses": Case(large_fit, {"s": 5, "MiB": 1000}),
    "search for the layout of GPT-3": Case(layout_search, {"s": 2}),
    "claims, warm": Case(claims, {"s": 1}),
    "frontier against low cost, warm": Case(frontier, {"s": 1}),
}
COLD_RATIO = 1.0
"""Largest ratio of a first estimate to the import of numpy and pydantic [1]."""


def line(name: str, figure: float, unit: str, target: float | None) -> str:
    """Return a row of the table: figure, target, and whether it is met."""
    if target is None:
        return f"{name:<42}{figure:>10.4g} {unit}"
    met = figure >= target if unit == "ratio" else figure <= target
    kind = "above" if unit == "ratio" else "below"
    return f"{name:<42}{figure:>10.4g} {unit:<15} {kind} {target:<6g}{'' if met else ' MISSED'}"


def cold() -> None:
    """Print the CPU times of fresh interpreters."""
    with tempfile.TemporaryDirectory() as cache:
        measured = {name: cpu_of(code, cache) for name, code in COLD.items()}
    for name, seconds in measured.items():
        beyond = 1e3 * (seconds - measured["python alone"])
        print(line(name, 1e3 * seconds, f"ms CPU, {beyond:.0f} above python alone", None))
    ratio = measured["first estimate"] / measured["import numpy, pydantic"]
    print(line("first estimate / import numpy, pydantic", ratio, "", COLD_RATIO))


def main() -> None:
    """Print the table, or the figures of one case for the process that prints the table."""
    if sys.argv[1:2] == ["--case"]:
        for unit, figure in CASES[sys.argv[2]].measure().items():
            print(f"{figure!r} {unit}")
        return
    parts = sys.argv[1:]
    if not parts:
        cold()
    for name, case in CASES.items():
        if parts and not any(part in name for part in parts):
            continue
        output = subprocess.run(
            [sys.executable, __file__, "--case", name], check=True, stdout=subprocess.PIPE, text=True
        ).stdout
        for row in output.splitlines():
            written, _, unit = row.partition(" ")
            print(line(name, float(written), unit, case.targets.get(unit)), flush=True)


if __name__ == "__main__":
    main()

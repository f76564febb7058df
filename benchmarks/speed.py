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
    start = time.process_time()
    cm.estimate(run).sample(1_000_000)
    print(f"a million draws through the chain: {time.process_time() - start:.2f} s (below 1)")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"peak memory: {peak:.2f} GiB (below 1)")


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


if __name__ == "__main__":
    main()

"""CPU seconds of imports, a first estimate and each command of the command line in a fresh process, with their targets.

Run: python benchmarks/cold_start.py [WORDS] [--repeats 3]

With words only the command lines that contain them are run. Times are the least of the repeats, because other work on
the machine adds to them; the first row, Python with numpy and a model of pydantic, tells how busy it is.
"""

from __future__ import annotations

import argparse
import os
import resource
import runpy
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEPENDENCIES = "import numpy\nfrom pydantic import BaseModel\nclass Model(BaseModel):\n    field: int"
CODE = {
    "python": ("pass", None),
    "numpy and a model of pydantic": (DEPENDENCIES, None),
    "import costmodel": ("import costmodel", 0.015),
    "first estimate": (
        """import costmodel as cm
run = cm.Scenario(architecture="llama-3.1-8b", recipe=cm.Pretraining(tokens=15e12, sequence_length=8192),
                  cluster=cm.Cluster("H100-SXM", 1024), prices=cm.Rental(price=2.5))
cm.estimate(run).value("cost")""",
        None,
    ),
    "numpy": ("import numpy", None),
    "first scaling law": (
        """import numpy as np
import costmodel as cm
n, d = (grid.ravel() for grid in np.meshgrid([1e8, 3e8, 1e9, 3e9], [1e9, 1e10, 1e11, 1e12]))
cm.fit_scaling_law({"n_params": n, "n_tokens": d, "loss": 1.8 + 480 / n**0.35 + 2100 / d**0.37})""",
        None,
    ),
}
"""Programs of Python, with the target of the CPU time above that of Python alone [s]."""
HELP, ESTIMATE, OTHERS = 0.3, 0.5, 1.2
"""Targets of `--help`, of an estimate from a scenario, and of other commands [s]."""


def cpu_seconds(arguments: list[str], folder: Path, repeats: int) -> float:
    """Return the least CPU time of a fresh process, of several [s].

    Modules are compiled once, as an installation does.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"PYTHONPYCACHEPREFIX": str(folder / "compiled"), "PYTHONPATH": str(ROOT / "src")}
    times = []
    for _ in range(repeats):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(times)


def target_of(line: str) -> float:
    """Return the target of a command line [s]."""
    if line == "--help":
        return HELP
    return ESTIMATE if line.startswith("estimate ") else OTHERS


def main() -> None:
    """Print a row per program and command: CPU seconds, target, and "above" where the target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("words", nargs="*", help="words of the command lines to run; default: all")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    invocations = runpy.run_path(str(ROOT / "tests" / "cli" / "invocations.py"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        invocations["write_files"](folder)
        cpu_seconds(["-c", "import costmodel.cli.app as app; app.app"], folder, 1)
        alone = cpu_seconds(["-c", "pass"], folder, given.repeats)
        for title, (code, target) in CODE.items():
            seconds = cpu_seconds(["-c", code], folder, given.repeats)
            print_row(seconds, None if target is None else target + alone, title)
        for line in ("--help", *invocations["INVOCATIONS"], *invocations["FILE_FORMATS"]):
            if all(word in line for word in given.words):
                seconds = cpu_seconds(["-m", "costmodel", *shlex.split(line)], folder, given.repeats)
                print_row(seconds, target_of(line), line)


def print_row(seconds: float, target: float | None, title: str) -> None:
    """Print a measurement."""
    compared = "" if target is None else f"{target:.2f}{' above' if seconds > target else ''}"
    print(f"{seconds:6.3f}  {compared:10}  {title}", flush=True)


if __name__ == "__main__":
    main()

"""Run the campaigns for some time each: random cases in a process with limits, and one row of a table per campaign.

Run: python benchmarks/fuzz/run.py --seconds 60 [--only functions,readers] [--seed 1]

A case fails if it raises another error than those of the library, takes more than 2 s of CPU time, warns, or returns
NaN. A process fails if it takes more than 500 MB. Each failure is printed with the number of its case, which
`--case NUMBER --only NAME` runs again with its traceback.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import math
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

LONGEST = 2.0
"""CPU time of a case [s]."""
ENDLESS = 60.0
"""Time after which a process ends whose case cannot be interrupted [s]."""
MOST_MEMORY = 500e6
"""Memory of the process of a campaign [byte]."""
NAMES = ("functions", "specifications", "methods", "scenarios", "readers", "weights", "commands")


class TookTooLongError(BaseException):
    """A case that takes too long; no handler of errors catches it."""


def main() -> int:
    """Run the campaigns, or a part of one, and return the number of failures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--only", default=",".join(NAMES))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--case", type=int)
    parser.add_argument("--worker", action="store_true")
    options = parser.parse_args()
    names = options.only.split(",")
    if options.case is not None:
        run_case(names[0], options.seed, options.case, Path(tempfile.mkdtemp()))
        return 0
    if options.worker:
        print(json.dumps(worked(names[0], options.seed, options.seconds)))
        return 0
    print("| campaign | seconds | cases | accepted | refused | failures |\n|---|---|---|---|---|---|", flush=True)
    failures = [failure for name in names for failure in campaign(name, options.seed, options.seconds)]
    for failure in failures:
        print(f"- {failure}")
    return min(len(failures), 100)


def campaign(name: str, seed: int, seconds: float) -> list[str]:
    """Run a campaign in a process of its own, print its row, and return its failures."""
    command = [sys.executable, __file__, "--worker", "--only", name, "--seed", str(seed), "--seconds", str(seconds)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=2 * seconds + 120, check=False)
    except subprocess.TimeoutExpired:
        print(f"| {name} | {seconds:.0f} | | | | stopped: a case never ends |", flush=True)
        return [f"{name}: a case never ends"]
    if done.returncode:
        print(f"| {name} | {seconds:.0f} | | | | the process ended with {done.returncode} |", flush=True)
        return [f"{name}: the process ended with {done.returncode}: {done.stderr[-1500:]}"]
    result = json.loads(done.stdout.splitlines()[-1])
    cells = (result[key] for key in ("seconds", "cases", "accepted", "refused"))
    failures = [f"{name}: {failure}" for failure in result["failures"]]
    print(f"| {name} | {' | '.join(f'{cell:,.0f}' for cell in cells)} | {len(failures)} |", flush=True)
    return failures


def worked(name: str, seed: int, seconds: float) -> dict[str, Any]:
    """Run cases for some time, and return their counts and the failures, one of each kind."""
    resource.setrlimit(resource.RLIMIT_AS, (6 * 10**9, 6 * 10**9))
    counts, failures = Counter[str](), dict[str, str]()
    _load_all()
    start, case = time.monotonic(), 0
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() - start < seconds:
            faulthandler.dump_traceback_later(ENDLESS, exit=True)  # where a case cannot be interrupted
            outcome = outcome_of(name, seed, case, Path(folder))
            counts[outcome if outcome in {"accepted", "refused"} else "failed"] += 1
            if outcome not in {"accepted", "refused"}:
                failures.setdefault(outcome.partition(": ")[0], f"case {case}: {outcome}")
            case += 1
            if peak_memory() > MOST_MEMORY:
                failures["memory"] = f"case {case - 1}: the process takes {peak_memory() / 1e6:.0f} MB"
                break
    faulthandler.cancel_dump_traceback_later()
    return {"seconds": time.monotonic() - start, "cases": case, "failures": list(failures.values()), **counts} | {
        key: counts[key] for key in ("accepted", "refused")
    }


def _load_all() -> None:
    """Load all modules and make the results of which methods are called, so that no case is timed with them."""
    import calls

    import costmodel

    for module in walk_packages(costmodel.__path__, "costmodel."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    calls.good.methods()


def outcome_of(name: str, seed: int, case: int, folder: Path) -> str:
    """Return "accepted", "refused" or what is wrong; failures of one kind have the same text before the colon."""
    from costmodel.foundation.errors import CostModelError

    start = time.process_time()
    try:
        run_case(name, seed, case, folder)
        outcome = "accepted"
    except CostModelError as error:
        outcome = "refused" if len(str(error)) < 20_000 else f"long message: {len(str(error))} characters"
    except TookTooLongError as error:
        outcome = f"hangs in {_place(error)}: more than {LONGEST:g} s"
    except Exception as error:
        outcome = f"{type(error).__name__} in {_place(error)}: {error!s:.150}"
    took = time.process_time() - start
    return outcome if took < LONGEST + 0.5 or "hangs" in outcome else f"slow {name}: {took:.1f} s"


def run_case(name: str, seed: int, case: int, folder: Path) -> None:
    """Run a case, and raise `AssertionError` if its result is not finite."""
    import calls
    import readers

    choices = random.Random(f"{name} {seed} {case}")
    signal.signal(signal.SIGPROF, _stop)
    signal.setitimer(signal.ITIMER_PROF, LONGEST)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            result = (calls.CAMPAIGNS | readers.CAMPAIGNS)[name](choices, folder)
            assert not (bad := not_finite(result)), f"{bad} is not finite"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _stop(*_: object) -> None:
    raise TookTooLongError


def not_finite(value: Any, path: str = "result") -> str:
    """Return the path of the first number of a result that is NaN, or ""."""
    if isinstance(value, float):
        return path if math.isnan(value) else ""
    if hasattr(value, "rows") and callable(value.rows) and hasattr(value, "to_text"):
        str(value)
        return not_finite(value.rows(), type(value).__name__)
    if hasattr(value, "magnitude"):
        return not_finite(value.magnitude, path)
    if hasattr(value, "dtype"):
        return path if value.dtype.kind == "f" and bool(np.isnan(value).any()) else ""
    if isinstance(value, Mapping):
        return next(filter(None, (not_finite(each, f"{path}.{key}") for key, each in value.items())), "")
    if isinstance(value, (list, tuple)):
        return next(filter(None, (not_finite(each, f"{path}[{index}]") for index, each in enumerate(value))), "")
    return ""


def _place(error: BaseException) -> str:
    """Return the last line of the library in the traceback of an error."""
    frames: Iterable[Any] = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/costmodel/" in frame.filename]
    return f"{own[-1].filename.split('/costmodel/')[-1]}:{own[-1].lineno}" if own else "no file of the library"


def peak_memory() -> float:
    """Return the most memory that the process has had [byte]."""
    return 1024.0 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    sys.exit(main())

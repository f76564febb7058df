"""Move each named constant by 30 % and run the tests that touch it: a constant that survives has no test.

Run: python benchmarks/mutate.py [PACKAGE ...] [--only TEXT] [--down] [--jobs N] [--list] [--json FILE]

A constant is a number, or each number of a tuple or mapping, that a module of the packages names in capitals; also the
default of a field of a class, and a row of a table of assumptions. Numbers move up by 30 %, integers by at least 1,
shares of 0.77 to 1 down by 30 % so that they stay shares, and years by one year.

No file is changed: an import hook alters the parsed source of one module in a process of its own. The first run
records which functions each test enters. A test touches a constant if it enters a function that mentions it. Tests in
the folder of the module run first, with all tests of their files; then tests of other folders, the fastest first, for
at most 30 s. The first failing test kills the mutant. The exit status is 1 if more than 5 % survive.
"""

from __future__ import annotations

import argparse
import builtins
import hashlib
import importlib
import json
import os
import signal
import sys
import tempfile
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mutants import (
    ROOT,
    SOURCE,
    Constant,
    Finder,
    Loader,
    Mentions,
    Record,
    constants_of,
    functions_that_touch,
    install,
    mentions_in_library,
    rows_of_tables,
)

PACKAGES = ("training", "estimation", "projection", "market", "budget")
OTHER_TESTS = ("foundation", "hardware", "comparison")
"""Packages whose tests also touch tables of assumptions."""
ACCEPTED = 0.05
"""Share of mutants that may survive."""
SECONDS = 600.0
"""Time after which a mutant counts as killed: it made a computation endless [s]."""
FAR_SECONDS = 30.0
"""Total duration of the tests that run in other folders than that of the module [s]."""


class Recorder:
    """Pytest plugin: the duration of each test that passes, and the functions that it enters."""

    def __init__(self) -> None:
        self.entered: set[str] = set()
        self.tests: Tests = {}
        builtins.__entered__ = self.enter  # type: ignore[attr-defined]
        sys.meta_path.insert(0, Finder(lambda name, tree: Record(name).visit(tree), "costmodel"))
        self.file, self.failed, self.seconds = "", False, 0.0

    def enter(self, name: str) -> None:
        self.entered.add(name)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        file = nodeid.partition("::")[0]
        if file != self.file:
            self.file = file
            for name, module in list(sys.modules.items()):
                for value in list(vars(module).values()) if name.startswith("costmodel") else ():
                    if hasattr(value, "cache_clear"):
                        value.cache_clear()
            if planner := sys.modules.get("costmodel.training.layouts.planner"):
                planner.forget()
        self.entered, self.failed, self.seconds = set(), False, 0.0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.failed |= not report.passed
        self.seconds += report.duration

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        if not self.failed:
            self.tests[nodeid] = (self.seconds, sorted(self.entered))


class Order:
    """Pytest plugin: run the given tests in their order, and name the first that fails."""

    def __init__(self, tests: Sequence[str]) -> None:
        self.rank = {test: rank for rank, test in enumerate(tests)}
        self.killer = ""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted((item for item in items if item.nodeid in self.rank), key=lambda i: self.rank[i.nodeid])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.killer:
            self.killer = report.nodeid

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed and not self.killer:
            self.killer = f"import of {report.nodeid}"


OPTIONS = ("-n0", "-q", "-p", "no:cacheprovider", "--no-header", "--no-summary", "--assert=plain")
"""Plain assertions: the hook that rewrites them would load modules with doctests in the place of `Finder`."""


def start(work: Callable[[], Any], result: Path) -> int:
    """Run a function in a process of its own, which writes what it returns to a JSON file; return its id."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        log = os.open(result.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        result.write_text(json.dumps(work()), encoding="utf-8")
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)


def record(files: Sequence[str]) -> Tests:
    recorder = Recorder()
    pytest.main([*OPTIONS, *files], plugins=[recorder])
    return recorder.tests


class Plan(NamedTuple):
    """Tests that touch a constant, in the order in which they run."""

    near: list[str]
    """Tests of the folder of the module, and those that share a file with them."""
    far: list[str]
    """Tests of other folders, `FAR_SECONDS` of them."""


def kill(constant: Constant, plan: Plan, down: bool) -> str:
    """Return the first test that fails with a moved constant, or ""."""
    install(constant, down)
    for tests in filter(None, plan):
        order = Order(tests)
        status = pytest.main([*OPTIONS, "-x", *dict.fromkeys(test.partition("::")[0] for test in tests)], [order])
        module = sys.modules.get(constant.module)
        if module is not None and not isinstance(module.__loader__, Loader):
            raise RuntimeError(f"{constant.module} was imported unaltered")
        if order.killer or status != pytest.ExitCode.OK:
            return order.killer or f"exit status {int(status)}"
    return ""


def home(constant: Constant, mentions: Mentions) -> set[str]:
    """Return the module of a constant, or the modules that read its table."""
    if constant.place is not None:
        return {constant.module}
    return {function.partition(":")[0] for function in mentions.functions.get(constant.module, ())}


def is_near(test: str, module: str) -> bool:
    """Return whether a test is in the folder that mirrors that of a module, or in the module itself."""
    folder = module.removeprefix("costmodel.").rpartition(".")[0].replace(".", "/")
    return test.startswith((f"tests/{folder}/", f"src/{module.replace('.', '/')}.py"))


Tests = dict[str, tuple[float, list[str]]]
"""Duration [s] and functions of each test that passes."""


def recorded(packages: Sequence[str], folder: Path, jobs: int) -> Tests:
    """Return the tests of the packages; files that an earlier run recorded for the same source are not run again."""
    paths = [
        path
        for name in sorted({*packages, *OTHER_TESTS})
        for path in [*(ROOT / "tests" / name).rglob("test_*.py"), *(SOURCE / "costmodel" / name).rglob("*.py")]
        if path.name.startswith("test_") or ">>>" in path.read_text(encoding="utf-8")
    ]
    inputs = sorted([*SOURCE.rglob("*.py"), *(ROOT / "data").rglob("*.csv"), *(ROOT / "tests").rglob("conftest.py")])
    cache = folder / f"tests-{digest(*inputs)}.json"
    known = json.loads(cache.read_text(encoding="utf-8")) if cache.exists() else {}
    keys = {f"{path.relative_to(ROOT).as_posix()} {digest(path)}": path for path in paths}
    files = sorted(path.relative_to(ROOT).as_posix() for key, path in keys.items() if key not in known)
    if files:
        print(f"recording the functions of {len(files)} files of tests", flush=True)
        parts = [folder / f"recording-{os.getpid()}-{job}.json" for job in range(jobs)]
        for job, part in enumerate(parts):
            start(partial(record, files[job::jobs]), part)
        if any(os.wait()[1] for _ in parts):
            raise SystemExit(f"the tests could not be recorded; see {folder}")
        new = {name: test for part in parts for name, test in json.loads(part.read_text(encoding="utf-8")).items()}
        for key in keys.keys() - known.keys():
            known[key] = {name: test for name, test in new.items() if name.startswith(f"{key.partition(' ')[0]}::")}
        cache.write_text(json.dumps(known), encoding="utf-8")
    return {name: (test[0], test[1]) for key in keys for name, test in known[key].items()}


def digest(*paths: Path) -> str:
    sha = hashlib.sha256()
    for path in paths:
        sha.update(path.read_bytes())
    return sha.hexdigest()[:16]


def plan_of(modules: set[str], functions: set[str], tests: Tests) -> Plan:
    """Return the tests that touch a constant, the fastest first; those of some modules are near."""
    prefixes = tuple(functions)
    touching = [name for name, (_, entered) in tests.items() if any(entry.startswith(prefixes) for entry in entered)]
    touching.sort(key=lambda name: tests[name][0])
    near = [name for name in touching if any(is_near(name, module) for module in modules)]
    files = {name.partition("::")[0] for name in near}
    near += [name for name in tests if name.partition("::")[0] in files and name not in near]
    far, seconds = [], 0.0
    for name in touching:
        seconds += tests[name][0]
        if seconds <= FAR_SECONDS and name not in near:
            far.append(name)
    return Plan(near, far)


def run(constants: Sequence[Constant], plans: Sequence[Plan], folder: Path, jobs: int, down: bool) -> list[str]:
    """Return what killed each constant, "" for those that survived."""
    killers = [""] * len(constants)
    running: dict[int, tuple[int, float]] = {}
    waiting = [index for index, plan in enumerate(plans) if any(plan)]
    total, done = len(waiting), 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                index = waiting.pop(0)
                result = folder / f"mutant-{os.getpid()}-{index}.json"
                pid = start(partial(kill, constants[index], plans[index], down), result)
                running[pid] = (index, time.monotonic())
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                time.sleep(0.02)
                for late, (_, began) in running.items():
                    if time.monotonic() - began > SECONDS:
                        os.kill(late, signal.SIGKILL)
                continue
            index, began = running.pop(pid)
            result = folder / f"mutant-{os.getpid()}-{index}.json"
            if os.WIFSIGNALED(status):
                killers[index] = f"no end after {time.monotonic() - began:.0f} s"
            elif status:
                raise SystemExit(f"{constants[index]} could not be moved; see {result.with_suffix('.log')}")
            else:
                killers[index] = json.loads(result.read_text(encoding="utf-8"))
            done += 1
            fate = "killed  " if killers[index] else "SURVIVED"
            print(
                f"[{done:3d}/{total}] {fate} {constants[index]} = {constants[index].text}   {killers[index]} "
                f"({time.monotonic() - began:.0f} s)",
                flush=True,
            )
            for path in (result, result.with_suffix(".log")):
                path.unlink(missing_ok=True)
    finally:
        for pid in running:
            os.kill(pid, signal.SIGKILL)
    return killers


def main() -> int:
    """Print the fate of each constant and a table per package."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packages", nargs="*", metavar="PACKAGE", help=f"default: {' '.join(PACKAGES)}, assumptions")
    parser.add_argument("--only", action="append", default=[], metavar="TEXT", help="constants whose name holds TEXT")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes at a time")
    parser.add_argument("--down", action="store_true", help="move down by 30 %% instead of up")
    parser.add_argument("--list", action="store_true", help="list the constants and the number of tests; run none")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the fates to FILE")
    options = parser.parse_args()
    names = options.packages or [*PACKAGES, "assumptions"]
    constants = [
        constant
        for name in names
        for constant in (rows_of_tables() if name == "assumptions" else constants_of(name))
        if not options.only or any(text.lower() in str(constant).lower() for text in options.only)
    ]
    if not constants:
        parser.error(f"no constant matches {', '.join([*names, *options.only])}; --list shows all")
    folder = Path(tempfile.gettempdir()) / "costmodel-mutate"
    folder.mkdir(exist_ok=True)
    os.environ |= {"CI": "1", "MPLBACKEND": "Agg", "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / "hypothesis")}
    os.chdir(ROOT)
    sys.path.insert(0, str(SOURCE))
    sys.dont_write_bytecode = True
    for library in ("numpy", "scipy.stats", "scipy.optimize", "pydantic", "pint", "matplotlib.pyplot"):
        importlib.import_module(library)
    tests = recorded(PACKAGES if "assumptions" in names else names, folder, options.jobs)
    mentions = mentions_in_library()
    plans = [
        plan_of(home(constant, mentions), functions_that_touch(constant, mentions), tests) for constant in constants
    ]
    if options.list:
        for constant, plan in zip(constants, plans, strict=True):
            print(f"{constant} = {constant.text}   {len(plan.near)} + {len(plan.far)} tests")
        return 0
    killers = run(constants, plans, folder, options.jobs, options.down)
    fates = [
        {"constant": str(constant), "value": constant.text, "tests": sum(map(len, plan)), "killed_by": killer}
        for constant, plan, killer in zip(constants, plans, killers, strict=True)
    ]
    if options.json:
        options.json.write_text(json.dumps(fates, indent=1), encoding="utf-8")
    return report(constants, killers)


def report(constants: Sequence[Constant], killers: Sequence[str]) -> int:
    """Print the survivors and the shares; return 1 if too many survive."""
    by_package: dict[str, list[bool]] = defaultdict(list)
    for constant, killer in zip(constants, killers, strict=True):
        by_package[constant.module.removeprefix("costmodel.").partition(".")[0].partition("/")[0]].append(not killer)
        if not killer:
            print(f"survived: {constant} = {constant.text}")
    by_package["all"] = [not killer for killer in killers]
    for package, survived in by_package.items():
        share = sum(survived) / max(len(survived), 1)
        print(f"{package:12} {len(survived):4d} mutants, {sum(survived):3d} survive ({share:.1%})")
    return int(sum(by_package["all"]) > ACCEPTED * len(constants))


if __name__ == "__main__":
    raise SystemExit(main())

"""Run mypy, and fail if too few expressions of a package are typed. Prints the share per package."""

import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

LEAST = 0.95
"""Least share of typed expressions [1]."""
GATED = ("architecture", "estimation", "projection", "scaling", "serving", "training")
"""Packages that must reach it."""


def main() -> int:
    """Return the exit status: that of mypy, or the number of packages below the least share."""
    with tempfile.TemporaryDirectory() as folder:
        status = subprocess.run([sys.executable, "-m", "mypy", "--any-exprs-report", folder], check=False).returncode
        report = (Path(folder) / "any-exprs.txt").read_text(encoding="utf-8")
    untyped, expressions = Counter[str](), Counter[str]()
    for line in report.splitlines():
        name, *numbers = line.split()
        if name.startswith("costmodel.") and len(numbers) == 3:
            package = name.split(".")[1]
            untyped[package] += int(numbers[0])
            expressions[package] += int(numbers[1])
    shares = {package: 1 - untyped[package] / count for package, count in sorted(expressions.items()) if count > 1}
    for package, share in shares.items():
        print(f"{package:15} {share:.1%} of {expressions[package]:,} expressions typed")
    missed = [package for package in GATED if shares[package] < LEAST]
    if missed:
        print(f"below {LEAST:.0%}: {', '.join(missed)}")
    return status or len(missed)


if __name__ == "__main__":
    sys.exit(main())

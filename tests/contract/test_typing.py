"""Type checking of users' code: mypy reports each mistake in `typed/mistakes.py`, and nothing in `typed/correct.py`."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy", reason="needs the extra `lint`")

FOLDER = Path("tests", "contract", "typed")
ERROR = re.compile(r"^(.+):(\d+): error: .*\[([\w-]+)\]$", re.MULTILINE)
MARK = re.compile(r"  # ([\w-]+)$", re.MULTILINE)


def test_mypy_reports_the_mistakes_and_nothing_else(root):
    mistakes, correct = FOLDER / "mistakes.py", FOLDER / "correct.py"
    lines = (root / mistakes).read_text(encoding="utf-8").splitlines()
    expected = {
        (str(mistakes), str(number), code[1]) for number, line in enumerate(lines, 1) if (code := MARK.search(line))
    }
    # the options and the cache of the project: with `mypy` before or after, its modules are checked once
    command = [sys.executable, "-m", "mypy", str(mistakes), str(correct)]
    output = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root).stdout
    assert len(expected) >= 15
    assert set(ERROR.findall(output)) == expected, output

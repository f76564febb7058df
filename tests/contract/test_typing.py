"""Type checking of users' code: mypy reports each mistake in `typed/mistakes.py`, and nothing in `typed/correct.py`."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy", reason="needs the extra `lint`")

FOLDER = Path(__file__).parent / "typed"
ERROR = re.compile(r"mistakes\.py:(\d+): error: .*\[([\w-]+)\]$", re.MULTILINE)


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    """The messages of mypy on both files."""
    cache = tmp_path_factory.mktemp("mypy")
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(cache), "--config-file", ""]
    files = [str(FOLDER / "mistakes.py"), str(FOLDER / "correct.py")]
    return subprocess.run([*command, *files], capture_output=True, text=True, check=False).stdout


def test_each_mistake_is_reported(checked):
    lines = (FOLDER / "mistakes.py").read_text(encoding="utf-8").splitlines()
    expected = {number: code[1] for number, line in enumerate(lines, 1) if (code := re.search(r"  # ([\w-]+)$", line))}
    assert len(expected) >= 15
    assert {int(number): code for number, code in ERROR.findall(checked)} == expected, checked


def test_correct_uses_pass(checked):
    assert "correct.py" not in checked, checked

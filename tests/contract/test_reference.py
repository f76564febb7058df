"""The reference page of the Python interface lists every public name once."""

import re
from pathlib import Path

import costmodel as cm

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "api.md"


def test_every_public_name_has_one_entry():
    listed = re.findall(r"^   (\w+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert sorted(listed) == sorted(set(cm.__all__) - {"__version__"})

"""Print the lowest accepted version of each requirement of pyproject.toml as a pip constraints file.

Arguments are the optional dependencies to include: `python .ci/lowest_versions.py test`.
"""

import re
import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"


def lowest_versions(extras: list[str]) -> list[str]:
    """Return one pin per requirement, such as "numpy==1.26"; the requirement must state a lowest version."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    requirements = project["dependencies"] + [
        requirement for extra in extras for requirement in project["optional-dependencies"][extra]
    ]
    pins = []
    for requirement in requirements:
        bound = re.fullmatch(r"([\w.-]+)>=([\w.]+)", requirement)
        if bound is None:
            raise SystemExit(f"pyproject.toml: {requirement!r} must have the form NAME>=VERSION")
        pins.append(f"{bound[1]}=={bound[2]}")
    return pins


if __name__ == "__main__":
    print("\n".join(lowest_versions(sys.argv[1:])))

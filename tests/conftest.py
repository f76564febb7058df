"""Shared fixtures: the folder of measurements that lies beside the repository in some places."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of published measurements and configs; tests that need it are skipped elsewhere."""
    folder = Path(os.environ.get("COSTMODEL_SHARED", ROOT / ".." / "shared"))
    if not folder.is_dir():
        pytest.skip(f"needs the measurements in {folder} (set COSTMODEL_SHARED)")
    return folder

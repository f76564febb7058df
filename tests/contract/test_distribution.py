"""What is shipped: the wheel holds the package with all its tables, the source archive can rebuild it."""

import re
import subprocess
import sys
import tarfile
import zipfile

import pytest

from costmodel.foundation import tables
from costmodel.foundation.schemas import load_schema, schema_names


@pytest.fixture(scope="module")
def built(root, tmp_path_factory):
    pytest.importorskip("hatchling", reason="needs hatchling to build")
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(folder)]
    subprocess.run(command, cwd=root, check=True, capture_output=True)
    return folder


def test_the_wheel_holds_the_tables_whose_schema_says_so_byte_for_byte(built, root):
    outside = {name for name in schema_names() if not load_schema(name).in_wheel}
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())
        for path in (root / "data").rglob("*.[cj]s*"):
            relative = path.relative_to(root / "data")
            packed = f"costmodel/data/{relative.as_posix()}"
            if relative.with_suffix("").as_posix() in outside:
                assert packed not in names
            else:
                assert wheel.read(packed) == path.read_bytes()
        assert "costmodel/py.typed" in names
        assert any(name.endswith("licenses/LICENSE") for name in names)
        assert not [name for name in names if name.startswith(("tests/", "data/"))]
        modules = {str(path.relative_to(root / "src")) for path in (root / "src").rglob("*.py")}
        assert modules <= names


def test_the_wheel_and_the_repository_have_the_same_fingerprint(built, tmp_path, monkeypatch):
    expected = tables.fingerprint()
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        wheel.extractall(tmp_path)
    monkeypatch.setattr(tables, "folder", lambda: tmp_path / "costmodel" / "data")
    assert tables.fingerprint.__wrapped__() == expected


def test_the_source_archive_holds_the_inputs_of_fits(built):
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    assert {f"data/{name}.csv" for name in tables.FIT_INPUTS} <= names


def test_the_wheel_is_small(built):
    assert next(built.glob("*.whl")).stat().st_size < 2e6


def test_the_source_archive_holds_what_the_tests_need(built, root):
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    wanted = [path for folder in ("src", "data", "tests", "examples") for path in (root / folder).rglob("*.[pct][ys]*")]
    missing = {
        str(path.relative_to(root)) for path in wanted if path.is_file() and "__pycache__" not in str(path)
    } - names
    assert not missing
    assert {"README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "pyproject.toml"} <= names
    assert {"CODE_OF_CONDUCT.md", "SECURITY.md", ".ci/run", ".github/workflows/ci.yml", "docs/releasing.md"} <= names


def test_the_version_is_the_same_everywhere(root):
    import tomllib

    import costmodel

    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == costmodel.__version__
    assert f"version: {costmodel.__version__}" in (root / "CITATION.cff").read_text(encoding="utf-8")
    headings = re.findall(r"^## \[(.+?)\]", (root / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[:2] == ["Unreleased", costmodel.__version__]


def test_the_project_speaks_of_itself_alone(root):
    listed = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=False).stdout.split()
    if not listed:
        pytest.skip("needs the git checkout to know the files of the project")
    for name in listed:
        text = (root / name).read_text(encoding="utf-8", errors="ignore").lower()
        for word in ("from mem" + "ory", "stored" + " document", "not" + " verified", "/wo" + "rk/", "/tm" + "p/"):
            assert word not in text, f"{name} holds {word!r}"


def test_every_requirement_states_its_lowest_version(root):
    """The continuous integration runs the tests with exactly these versions."""
    command = [sys.executable, str(root / ".ci" / "lowest_versions.py"), "test", "pandas", "xlsx", "notebooks"]
    pins = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert {pin.split("==")[0] for pin in pins} >= {"numpy", "pint", "pytest", "pandas", "openpyxl"}

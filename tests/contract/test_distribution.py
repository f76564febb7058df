"""What is shipped: the wheel holds the package with all its tables, the source archive can rebuild it."""

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib import metadata

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
        modules = {path.relative_to(root / "src").as_posix() for path in (root / "src").rglob("*.py")}
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
        path.relative_to(root).as_posix() for path in wanted if path.is_file() and "__pycache__" not in str(path)
    } - names
    assert not missing
    assert {"README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "pyproject.toml"} <= names
    assert {"CODE_OF_CONDUCT.md", "SECURITY.md", ".ci/run", ".github/workflows/ci.yml", "docs/releasing.md"} <= names


def test_the_version_is_the_same_everywhere(root):
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
    """`.ci/lowest` runs the tests with these versions."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    requirements = [
        *project["dependencies"],
        *(name for extra in ("test", "notebooks", "docs") for name in extras[extra]),
    ]
    assert not [name for name in requirements if not re.fullmatch(r"[\w.-]+>=[\w.]+", name)]


def test_the_versions_of_python_are_the_same_everywhere(root):
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    versions = re.findall(r"Python :: (3\.\d+)", " ".join(project["classifiers"]))
    assert project["requires-python"] == f">={versions[0]}" and len(versions) >= 4
    listed = ", ".join(f'"{version}"' for version in versions)
    for workflow in ("ci", "environments"):
        assert f"python: [{listed}]" in (root / ".github" / "workflows" / f"{workflow}.yml").read_text(encoding="utf-8")
    assert f"for version in {' '.join(versions)};" in (root / ".ci" / "release").read_text(encoding="utf-8")
    assert f"Python {versions[0]} or later" in (root / "README.md").read_text(encoding="utf-8")


ALLOWED = ("MIT", "BSD", "Apache", "PSF", "Python Software Foundation", "HPND", "MPL", "Matplotlib", "OFL", "ISC")
"""Licenses of dependencies that may be used by a library under the MIT license, by the words of their metadata."""


def dependencies(name, seen):
    """Add the installed packages that a package needs at run time to `seen`, itself included."""
    from packaging.requirements import Requirement

    for text in metadata.requires(name) or ():
        requirement = Requirement(text)
        needed = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if needed and requirement.name.lower() not in seen:
            seen.add(requirement.name.lower())
            dependencies(requirement.name, seen)
    return seen


def license_of(package):
    """Return the license of an installed package, in the words of its metadata."""
    facts = metadata.metadata(package)
    classified = [
        line.rsplit("::", 1)[1] for line in facts.get_all("Classifier") or () if line.startswith("License ::")
    ]
    return facts.get("License-Expression") or " ".join(classified) or (facts.get("License") or "")[:200]


def test_the_dependencies_have_licenses_that_may_be_combined_with_that_of_the_project():
    pytest.importorskip("packaging", reason="needs packaging to read requirements")
    packages = sorted(dependencies("costmodel", set()))
    assert {"numpy", "scipy", "pydantic", "pint", "matplotlib", "typer"} <= set(packages)
    licenses = {package: license_of(package) for package in packages}
    assert not {
        package: text
        for package, text in licenses.items()
        if not re.search("|".join(ALLOWED), text)
        or re.search(r"\b[AL]?GPL(?!.*exception)|proprietary", text, re.IGNORECASE)
    }


def test_tables_with_a_license_name_one_that_lets_facts_be_passed_on():
    stated = {name: load_schema(name).license for name in schema_names() if load_schema(name).license}
    accepted = r"CC BY 4\.0|CC0|MIT|MPL 2\.0|Apache.2\.0|BSD|Facts|public domain"
    assert len(stated) >= 10
    assert not {
        name: text for name, text in stated.items() if not re.search(accepted, text) or re.search(r"NC|\bND\b", text)
    }

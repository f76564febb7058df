"""The pages of docs/how-to work as they are written: their files in a package, their changes in a copy of the tree."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import warnings
import zipfile
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
QUICKSTART = ROOT / "docs" / "quickstart.md"
PAGES = sorted(path for path in (ROOT / "docs" / "how-to").glob("*.md") if path.name != "README.md")
RUNNER = Path(__file__).with_name("run_page.py")
spec = spec_from_file_location("run_page", RUNNER)
run_page = module_from_spec(spec)
spec.loader.exec_module(run_page)


def install(project, folder):
    """Write the metadata of a package, as an installer does, from its pyproject.toml."""
    name, version = project["name"], project["version"]
    metadata = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
    lines = []
    for group, entries in project.get("entry-points", {}).items():
        lines += [f"[{group}]", *(f"{entry} = {target}" for entry, target in entries.items())]
    (metadata / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")


def applied(change, text):
    """Return a text with the change of a diff block applied; its unchanged lines say where."""
    before = "".join(line[1:] for line in change.splitlines(keepends=True) if line[:1] in " -")
    after = "".join(line[1:] for line in change.splitlines(keepends=True) if line[:1] in " +")
    assert text.count(before) == 1, f"these lines must occur once in the file:\n{before}"
    return text.replace(before, after)


def written(page, folder):
    """Write the files of a page below a folder; return whether it changes the tree of the library."""
    titled = [(language, folder / title, code) for language, title, code in run_page.blocks(page) if title]
    changes = any(title.is_relative_to(folder / top) for _, title, _ in titled for top in ("src", "data"))
    changes |= any(language == "sh" and " data/" in code for language, _, code in run_page.blocks(page))
    if changes:
        for top in ("src", "data"):
            shutil.copytree(ROOT / top, folder / top, ignore=shutil.ignore_patterns("__pycache__"))
    for language, path, code in titled:
        path.parent.mkdir(parents=True, exist_ok=True)
        if language == "diff":
            path.write_text(applied(code, path.read_text(encoding="utf-8")), encoding="utf-8")
        elif language == "csv" and path.exists():
            path.write_text(path.read_text(encoding="utf-8") + code, encoding="utf-8")
        elif path.name == "pyproject.toml":
            install(tomllib.loads(code)["project"], folder)
        else:
            path.write_text(code, encoding="utf-8")
    for name in re.findall(r"empty `([\w/]+\.py)`", page):
        (folder / name).touch()
    return changes


@pytest.fixture(autouse=True)
def closed_plots():
    """Close the plots that a page draws in this process."""
    yield
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")


@pytest.mark.parametrize("path", [*PAGES, QUICKSTART], ids=lambda path: path.stem)
def test_a_page_works_as_it_is_written(path, tmp_path, monkeypatch):
    text = path.read_text(encoding="utf-8")
    changes = written(text, tmp_path)
    if not changes and not any(tmp_path.rglob("*.py")) and not any(tmp_path.glob("*.dist-info")):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("COLUMNS", "80")
        monkeypatch.setattr(sys, "argv", ["costmodel"])
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            assert run_page.run(text) == "", path.name
        return
    source = tmp_path / "src" if changes else ROOT / "src"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(source)]), "COLUMNS": "80"}
    done = subprocess.run(
        [sys.executable, RUNNER, path], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{path.name}\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("path", [path for path in PAGES if "pyproject.toml" in path.read_text(encoding="utf-8")])
def test_the_package_of_a_page_can_be_built(path, tmp_path):
    pytest.importorskip("hatchling", reason="needs hatchling to build")
    page = path.read_text(encoding="utf-8")
    written(re.sub(r"```(csv|diff) title.*?```", "", page, flags=re.DOTALL), tmp_path)
    project = next(code for _, title, code in run_page.blocks(page) if title == "pyproject.toml")
    (tmp_path / "pyproject.toml").write_text(project, encoding="utf-8")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")]
    built = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    with zipfile.ZipFile(next((tmp_path / "dist").glob("*.whl"))) as wheel:
        assert {name for name in wheel.namelist() if name.startswith("acme_costs/")} >= {"acme_costs/__init__.py"}


def test_the_test_sees_a_wrong_output():
    page = "```pycon\n>>> 1 + 1\n3\n```\n"
    assert "Expected:\n    3\nGot:\n    2" in run_page.run(page)
    assert run_page.run(page.replace("3", "2")) == ""


@pytest.mark.parametrize(("printed", "equal"), [("cost 101 k$", True), ("cost 110 k$", False), ("time 101 k$", False)])
def test_numbers_of_a_whole_output_are_near(printed, equal):
    assert run_page.same("cost 100 k$\n", printed) == equal
    assert run_page.same("cost 100 k$\n...\n", f"{printed}\nsources") == equal


def test_the_contents_list_every_page_once():
    contents = (ROOT / "docs" / "how-to" / "README.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\|.*\]\(([\w-]+)\.md\)", contents, re.MULTILINE)) == sorted(path.stem for path in PAGES)
    trees = re.findall(r"```\{toctree\}\n(.*?)```", contents, re.DOTALL)
    assert sorted(re.findall(r"^[\w-]+$", "\n".join(trees), re.MULTILINE)) == sorted(path.stem for path in PAGES)


ADDING = [path for path in PAGES if path.read_text(encoding="utf-8").startswith("# Add ")]


@pytest.mark.parametrize("path", ADDING, ids=lambda path: path.stem)
def test_a_page_says_how_to_check_and_what_to_contribute(path):
    text = path.read_text(encoding="utf-8")
    assert len(ADDING) >= 8
    assert "\n## Check it\n" in text and "\n## Contribute it\n" in text

"""The code runs where the default encoding, the separator of paths and the shell differ: Windows, macOS, Linux."""

import ast
import re
from pathlib import Path

from costmodel.estimation.files import relative

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDERS = ("src", "tests", "benchmarks", "examples", ".ci", "docs")
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
POSITION = {"read_text": 0, "write_text": 1}
"""Position of the encoding among the arguments of the methods of `pathlib.Path`."""
MODE = re.compile(r"[rwaxt+]+")
"""Modes of text; those with a "b" need no encoding."""
POSIX_ONLY = {
    "fcntl": (), "grp": (), "pwd": (), "resource": (), "termios": (),
    "os": ("fork", "geteuid", "getpgid", "getuid", "killpg", "mkfifo", "setsid", "uname"),
    "signal": ("SIGALRM", "SIGKILL", "SIGPIPE", "SIGPROF", "alarm", "setitimer"),
}  # fmt: skip
"""Modules that only POSIX systems have, and names of other modules that Windows lacks."""


def without_encoding(tree):
    """Yield the lines of calls that read or write text in the encoding of the machine."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        names = {keyword.arg for keyword in node.keywords}
        name = getattr(node.func, "attr", "")
        if name in POSITION and "encoding" not in names and len(node.args) <= POSITION[name]:
            yield node.lineno
        is_builtin = getattr(node.func, "id", "") == "open"
        if (is_builtin or name == "open") and "encoding" not in names:
            modes = [keyword.value for keyword in node.keywords if keyword.arg == "mode"]
            mode = (modes or node.args[is_builtin : is_builtin + 1] or [ast.Constant("r")])[0]
            owner = getattr(getattr(node.func, "value", None), "id", "")
            text = isinstance(mode, ast.Constant) and isinstance(mode.value, str) and MODE.fullmatch(mode.value)
            if text and owner not in {"os", "webbrowser"}:
                yield node.lineno


def posix_only(tree):
    """Yield the names that only POSIX systems have."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if POSIX_ONLY.get(alias.name) == ())
        elif isinstance(node, ast.ImportFrom):
            names = POSIX_ONLY.get(node.module or "", ("",))
            yield from (f"{node.module}.{alias.name}" for alias in node.names if not names or alias.name in names)
        elif isinstance(node, ast.Attribute) and node.attr in POSIX_ONLY.get(getattr(node.value, "id", ""), ()):
            yield f"{node.value.id}.{node.attr}"


def places(paths, wrong, word):
    """Return what a check finds in the files that hold a word, each with its place."""
    texts = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in paths}
    trees = {name: ast.parse(text) for name, text in texts.items() if re.search(word, text)}
    return [f"{name}: {what}" for name, tree in trees.items() for what in wrong(tree)]


def test_every_text_file_is_read_and_written_in_a_named_encoding():
    assert places(FILES, without_encoding, r"open\(|_text\(") == []


def test_the_library_needs_nothing_of_posix():
    assert places((ROOT / "src").rglob("*.py"), posix_only, "|".join(POSIX_ONLY)) == []


def test_the_tests_see_default_encodings():
    code = (
        "path.read_text()\npath.read_text('utf-8')\npath.write_text(x, encoding='utf-8')\npath.write_text(x)\n"
        "open(name)\nopen(name, 'rb')\npath.open('w')\npath.open(mode='wb')\nos.open(name)\narchive.open('a.csv')\n"
        "open(name, encoding='utf-8')\nread_text(config, 'llama')"
    )
    assert list(without_encoding(ast.parse(code))) == [1, 4, 5, 7]


def test_the_tests_see_what_only_posix_has():
    code = "import resource, os\nos.fork()\nos.path.join()\nfrom os import getuid, sep\nimport signal\nsignal.SIGINT"
    assert sorted(posix_only(ast.parse(code))) == ["os.fork", "os.getuid", "resource"]


def test_saved_paths_have_slashes_and_reach_other_drives(tmp_path, monkeypatch):
    model = tmp_path / "models" / "own.json"
    model.parent.mkdir()
    model.touch()
    assert relative(str(model), tmp_path) == "models/own.json"
    assert relative("llama-3.1-8b", tmp_path) == "llama-3.1-8b"

    def other_drive(*_):
        raise ValueError("path is on mount 'D:', start on mount 'C:'")

    monkeypatch.setattr("os.path.relpath", other_drive)
    assert relative(str(model), tmp_path) == model.resolve().as_posix()


def test_no_two_files_differ_in_case_alone_or_have_names_that_windows_refuses():
    tracked = [path.relative_to(ROOT).as_posix() for folder in (*FOLDERS, "data", "notebooks")
               for path in (ROOT / folder).rglob("*") if "__pycache__" not in path.parts]  # fmt: skip
    assert len({name.lower() for name in tracked}) == len(tracked)
    assert not [
        name for name in tracked if re.search(r"[<>:\"\\|?*]|[ .](/|$)|(^|/)(con|prn|aux|nul)(\.|/|$)", name, re.I)
    ]
    assert max(map(len, tracked)) < 150

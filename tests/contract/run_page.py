"""Run the lines that a page of docs/how-to shows, in the present folder: Python examples, and commands of the shell.

A ```text block after a ```sh block is the expected output; "..." in it stands for any text. Numbers of a block without
"...", or with one at its end, may differ by 2 %, because refits move them.
"""

import contextlib
import doctest
import io
import re
import shlex
import sys
from pathlib import Path

BLOCK = re.compile(r'^```(?P<language>\w+)(?: title="(?P<title>[^"]+)")?\n(?P<code>.*?)^```$', re.MULTILINE | re.DOTALL)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?")
TOLERANCE = 0.02
"""Relative difference of two numbers of an output that counts as none [1]."""


def blocks(page):
    """Return the language, the file name and the text of each block of code of a page."""
    return [(match["language"], match["title"], match["code"]) for match in BLOCK.finditer(page)]


def output_of(line):
    """Return what a command prints, with its exit code if that is not 0."""
    from costmodel import cli

    program, *sys.argv[1:] = shlex.split(line)
    assert program == "costmodel", f"only commands of costmodel can be run; got {line!r}"
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            cli.main()
        except SystemExit as stopped:
            if stopped.code:
                print(f"exit code {stopped.code}")
    return printed.getvalue()


def same(expected, printed):
    """Return whether a command prints what is expected: text with "...", or near numbers, up to a last "..."."""
    start, _, rest = expected.partition("...")
    if rest.strip():
        return doctest.OutputChecker().check_output(expected, printed, FLAGS)
    if start != expected:
        expected, printed = start, "\n".join(printed.splitlines()[: start.count("\n")])
    if NUMBER.sub("#", expected).split() != NUMBER.sub("#", printed).split():
        return False
    pairs = zip(NUMBER.findall(expected), NUMBER.findall(printed), strict=True)
    numbers = [[float(number.replace(",", "")) for number in pair] for pair in pairs]
    return all(abs(one - other) <= TOLERANCE * max(one, other) for one, other in numbers)


def run(page):
    """Run the blocks of a page without a title, and return a report of what differs."""
    report, names, printed = io.StringIO(), {}, ""
    runner = doctest.DocTestRunner(optionflags=FLAGS, verbose=False)
    for language, title, code in blocks(page):
        if title is not None:
            continue
        if language == "pycon":
            test = doctest.DocTestParser().get_doctest(code, names, "page", None, 0)
            runner.run(test, out=report.write, clear_globs=False)
            names.update(test.globs)
        elif language == "sh":
            printed = "".join(output_of(line) for line in code.replace("\\\n", " ").splitlines())
            if "exit code" in printed:
                report.write(f"{code}{printed}")
        elif language == "text" and not same(code, printed):
            report.write(f"expected:\n{code}printed:\n{printed}")
    return report.getvalue()


if __name__ == "__main__":
    different = run(Path(sys.argv[1]).read_text(encoding="utf-8"))
    sys.stderr.write(different)
    sys.exit(bool(different))

"""Run the lines that a page of docs/how-to shows, in the present folder: Python examples, and commands of the shell.

A ```text block after a ```sh block is the expected output; "..." in it stands for any text.
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
            printed = "".join(output_of(line) for line in code.splitlines())
            if "exit code" in printed:
                report.write(f"{code}{printed}")
        elif language == "text" and not doctest.OutputChecker().check_output(code, printed, FLAGS):
            report.write(f"expected:\n{code}printed:\n{printed}")
    return report.getvalue()


if __name__ == "__main__":
    different = run(Path(sys.argv[1]).read_text(encoding="utf-8"))
    sys.stderr.write(different)
    sys.exit(bool(different))

"""Output of the command line: tables that fit the terminal, JSON and CSV, with the same options in every command.

`with_output` adds the options to a command, and `emit` prints its result in the form that they ask for.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from functools import wraps
from typing import Annotated, Any, NamedTuple

import typer

from costmodel.cli.changes import numbers_with_commas, several_values
from costmodel.cli.money import in_currency, money, money_options
from costmodel.cli.progress import end_progress, progress
from costmodel.foundation.errors import InputError
from costmodel.foundation.page import NARROWEST, Page, current_page, printed_on, prose, without_sources
from costmodel.foundation.plain_data import csv_text, plain

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells use it."""
VERSION = 1
"""Version of the schemas of JSON output."""
_OPTIONS: dict[str, Any] = {
    "as_json": Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")],
    "as_csv": Annotated[bool, typer.Option("--csv", help="Print the main table as CSV, in full.")],
    "quiet": Annotated[bool, typer.Option("--quiet", "-q", help="Print figures only, without titles and notes.")],
    "sources": Annotated[bool, typer.Option("--sources", "-v", "--verbose", help="Print the sources too.")],
    "all_columns": Annotated[
        bool, typer.Option("--all-columns", help="Print all columns, even if the terminal is narrower.")
    ],
}


class _Form(NamedTuple):
    """The form of the output: JSON, CSV, or text if neither."""

    json: bool = False
    csv: bool = False


_TEXT = _Form()
_FORM: ContextVar[_Form] = ContextVar("form", default=_TEXT)
_SHOWN: ContextVar[str] = ContextVar("shown", default="")
"""The text of the printed result."""


def with_output(function: Callable[..., None], priced: bool = False) -> Callable[..., None]:
    """Return a command with the options of output.

    Parameters
    ----------
    function : callable
        A command that prints its result with `emit` or `echo`.
    priced : bool
        Whether it also has the options of money.
    """
    added = _OPTIONS | (money_options(inspect.signature(function).parameters) if priced else {})

    @stoppable
    @wraps(function)
    def command(
        *arguments: Any,
        as_json: bool = False,
        as_csv: bool = False,
        quiet: bool = False,
        sources: bool = False,
        all_columns: bool = False,
        currency: str | None = None,
        exchange_rate: str | None = None,
        **options: Any,
    ) -> None:
        if as_json and as_csv:
            raise InputError("--json and --csv are both given; leave one out")
        if quiet and sources:
            raise InputError("--quiet and --sources are both given; leave one out")
        token, shown = _FORM.set(_Form(as_json, as_csv)), _SHOWN.set("")
        try:
            page = Page(terminal_width(), not quiet, sources, all_columns)
            with printed_on(page), progress(), money(currency, exchange_rate):
                _run(function, arguments, options)
                _say_what_is_read(options.get("gpu"))
        finally:
            _FORM.reset(token)
            _SHOWN.reset(shown)

    signature = inspect.signature(function, eval_str=True)
    options = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=False if name in _OPTIONS else None, annotation=option
        )
        for name, option in added.items()
    ]
    command.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*signature.parameters.values(), *options]
    )
    command.__annotations__ = function.__annotations__ | added
    return command


def stoppable(function: Callable[..., None]) -> Callable[..., None]:
    """Return a command that ends without a traceback on Ctrl-C, and where the reader of its output ends.

    Parameters
    ----------
    function : callable
        A command.
    """

    @wraps(function)
    def command(*arguments: Any, **options: Any) -> None:
        try:
            function(*arguments, **options)
        except KeyboardInterrupt:
            print("\ncostmodel: interrupted", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            _close_stdout()

    return command


def flush() -> None:
    """Write what is left in the buffers; nothing if the reader has ended."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _close_stdout()


def _run(function: Callable[..., None], arguments: Sequence[Any], options: Mapping[str, Any]) -> None:
    """Run a command; if a file is of another kind, say that only."""
    try:
        function(*arguments, **options)
    except InputError as error:
        from costmodel.cli.file_kinds import check_kinds

        serving = function.__module__.endswith("serving") and function.__name__ == "compare"
        check_kinds("serve compare" if serving else function.__name__, options)
        if hints := several_values(function.__name__, options, error.problems):
            raise InputError([*error.problems, *hints]) from None
        raise
    for caution in numbers_with_commas(function.__name__, options):
        print_problem(caution)


def _say_what_is_read(gpu: str | None) -> None:
    """Print which accelerator a name such as "A100" was read as, where several share it."""
    if gpu is None or not wants_text() or not current_page().notes:
        return
    from costmodel.hardware.accelerator import read_as

    shown = "".join(_SHOWN.get().split())
    for name in gpu.split(","):
        said = read_as(name)
        if said and "".join(said.split()) not in shown:
            print_problem(f"--gpu: {said}")


def print_problem(problem: str) -> None:
    """Print a problem or a caution on stderr; on a terminal it is wrapped.

    Parameters
    ----------
    problem : str
        One sentence.
    """
    end_progress()
    line, width = f"costmodel: {problem}", terminal_width(sys.stderr)
    print(line if width is None else textwrap.fill(line, width, subsequent_indent="  "), file=sys.stderr)


def _close_stdout() -> None:
    """Send what is still printed nowhere, because its reader, such as `head`, has ended."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def terminal_width(stream: Any = None) -> int | None:
    """Return the width of the terminal, or None where lines are not wrapped: in files and pipes.

    Parameters
    ----------
    stream : text file, optional
        Where the lines are printed; default: stdout. COLUMNS overrides its width.
    """
    written = os.environ.get("COLUMNS", "")
    if written.isdecimal() and int(written) > 0:
        return max(int(written), NARROWEST)
    stream = sys.stdout if stream is None else stream
    return max(shutil.get_terminal_size().columns, NARROWEST) if stream.isatty() else None


def wants_json() -> bool:
    """Return whether JSON is asked for."""
    return _FORM.get().json


def wants_text() -> bool:
    """Return whether tables are asked for, not JSON or CSV."""
    return not any(_FORM.get())


def emit(
    kind: str,
    *shown: Any,
    data: Callable[[], Any] | None = None,
    rows: Callable[[], Sequence[Mapping[str, Any]]] | None = None,
) -> None:
    """Print a result as text, JSON or CSV.

    Parameters
    ----------
    kind : str
        Kind of the result: its JSON has the schema "costmodel/KIND/1".
    shown : object
        Results or texts, printed in this order, with an empty line between them.
    data : callable, optional
        Returns the plain data of the JSON, a mapping or a list of rows; default: `to_dict()` of the first result.
    rows : callable, optional
        Returns the rows of the CSV; default: `rows()` of the first result.
    """
    form = _FORM.get()
    shown = tuple(in_currency(part) for part in shown)
    if form.json:
        content = plain((data or shown[0].to_dict)())
        named = content if isinstance(content, dict) else {"rows": content}
        end_progress()
        print(json.dumps({"schema": f"costmodel/{kind}/{VERSION}", **named}, indent=2, allow_nan=False))
    elif form.csv:
        written = csv_text((rows or shown[0].rows)())
        end_progress()
        sys.stdout.write(written)
    else:
        text = "\n\n".join(_text(part) for part in shown)
        _SHOWN.set(text)
        end_progress()
        echo(text)


def emit_explanation(found: Any) -> None:
    """Print how a figure follows from its inputs.

    Parameters
    ----------
    found : Explanation
        Of an estimate.
    """
    emit("explanation", found, data=lambda: {"figure": found.name, "steps": found.steps, "inputs": found.rows()})


def echo(text: str) -> None:
    """Print text; lines wider than the terminal are wrapped.

    Parameters
    ----------
    text : str
        One or more lines.
    """
    kept = without_sources(text)
    print(kept if current_page().all_columns else prose(kept))


def note(text: str) -> None:
    """Print a note after a result, unless only figures, JSON or CSV are asked for.

    Parameters
    ----------
    text : str
        One or more lines.
    """
    if wants_text() and current_page().notes:
        echo(text)


def _text(part: Any) -> str:
    return part if isinstance(part, str) else part.to_text() if hasattr(part, "to_text") else str(part)

"""Logs of training runs: steps and wall times from `trainer_state.json`, CSV and JSON-lines files, or rows.

A log needs the step and a time: a timestamp, the time since the start, or the time of a step. `ROLES` lists the names
that are recognized. A restart is a step that goes back, or a time since the start that begins again.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.foundation.errors import InputError
from costmodel.foundation.limits import LOG_BYTES, LOG_JSON_BYTES, LOG_LINE_BYTES, LOG_ROWS, LOG_VALUES, shown
from costmodel.foundation.plain_files import json_value
from costmodel.foundation.tables import Table, read_csv
from costmodel.foundation.user_files import checked_path, open_regular, read_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

_FIRST_LINES = 10
"""Lines of a log that are looked at for rows of their own [1]."""
_MOST_SHOWN = 12
"""Names and rows that a message lists."""

ROLES: dict[str, tuple[str, ...]] = {
    "step": (
        "step", "train/global_step", "global_step", "train/step", "iteration", "iter", "iter_num", "current_steps",
        "train_step", "trainer/global_step", "_step",
    ),
    "timestamp": ("timestamp", "_timestamp", "datetime", "date", "wall_time", "time_stamp"),
    "elapsed": (
        "elapsed_time", "elapsed", "elapsed_s", "elapsed_seconds", "elapsed_ms", "total_training_time", "train_time",
        "train_time_ms", "train_time_s", "training_time", "runtime", "_runtime", "seconds", "relative_time",
    ),
    "step_time": (
        "step_time", "step_time_s", "step_time_ms", "train/step_time", "dt", "train/dt", "dt_ms", "iteration_time",
        "iteration_time_ms", "iter_time", "iter_time_ms", "iteration-time", "elapsed time per iteration (ms)",
        "elapsed_time_per_iteration_ms", "time_per_step", "time_per_iteration", "seconds_per_step",
        "time_metrics/end_to_end(s)", "perf/step_time", "timing/step_time",
    ),
    "tokens": (
        "tokens", "tokens_seen", "total_tokens", "num_tokens", "num_input_tokens_seen", "consumed_tokens",
        "train/total_tokens", "throughput/total_tokens",
    ),
    "loss": ("loss", "train/loss", "train_loss", "lm_loss", "lm loss", "lm-loss", "loss_metrics/global_avg_loss"),
    "total_steps": ("total_steps", "max_steps"),
}  # fmt: skip
"""Accepted names of columns by what they hold, the preferred first. Times are in seconds, or in ms where the name ends
with "ms"; a column `time` is a timestamp or the time since the start, by its values."""
_TIMES = ("timestamp", "elapsed", "step_time")
_DURATION = re.compile(r"(?:(?P<days>\d+) days?,?\s+)?(?P<hours>\d+):(?P<minutes>\d\d):(?P<seconds>\d\d(?:\.\d+)?)")
_MOST_FRESH = 10.0
"""Most time of the first row after a restart, relative to the usual time of its steps [1]."""
_NOT_A_STEP = "name the column step_time [s] or step_time_ms if it is the time of a step"
_SINGLE = (
    "Give step_time or tokens_per_second, and the steps done, instead of the log (--step-time '9.5 s' --done 500), or "
    "add a column of times"
)
_CHART = " - "
"""What stands between the name of a run and that of a metric in a chart exported from Weights & Biases."""
_EPOCH = 1e8
"""Smallest number that is a Unix time, not a duration [s]: that of March 1973."""


class RunLog(NamedTuple):
    """A log of a run: one entry per row that has a step and a time."""

    steps: tuple[int, ...]
    """Steps done at each row."""
    times: tuple[float, ...]
    """Wall time since the start of the log at each row, restarts included [s]."""
    step_times: tuple[float | None, ...]
    """Time of a step that the row states [s]."""
    losses: tuple[float | None, ...]
    """Training loss."""
    restarts: tuple[int, ...] = ()
    """Indices of the rows after a restart."""
    total_steps: int | None = None
    """Steps of the whole run, if the log states them."""
    tokens_per_step: float | None = None
    """Tokens per step, if the log has a column of tokens [token]."""
    end: dt.datetime | None = None
    """Time of the last row, if the log has timestamps."""
    from_start: bool = False
    """Whether the times count from the start of the run; otherwise from the first row."""
    notes: tuple[str, ...] = ()
    """How the columns were read."""


def read_log(measured: str | Path | Table | Iterable[Mapping[str, Any]]) -> RunLog:
    """Return the log of a run.

    Parameters
    ----------
    measured : str, Path, Table, or iterable of mappings
        A `trainer_state.json`, a CSV or JSON-lines file, or its rows; `ROLES` lists the accepted columns.

    Raises
    ------
    InputError
        If the file cannot be read, a step or a time is missing, or a value is not a number. The message lists what was
        found and what is accepted.

    Examples
    --------
    >>> log = read_log([{"step": 10, "dt": 2.0}, {"step": 20, "dt": 2.0}])
    >>> log.steps, log.times
    ((10, 20), (20.0, 40.0))
    """
    name, rows, total = _rows(measured)
    if len(rows) > LOG_ROWS:
        raise InputError(f"{name}: a log must have at most {LOG_ROWS:,} rows; got {len(rows):,}")
    columns = list(dict.fromkeys(str(column) for row in rows for column in row))
    roles = _assigned(name, columns, rows)
    return _log(name, rows, roles, total)


def _rows(measured: Any) -> tuple[str, list[dict[str, Any]], int | None]:
    """Return the name of a log, its rows, and the steps of the run if the file states them."""
    if isinstance(measured, Table):
        return measured.name, [dict(row) for row in measured.rows], None
    if isinstance(measured, (str, Path)):
        path = checked_path(measured, "log")
        if path.suffix.lower() == ".csv":
            return path.name, [dict(row) for row in read_csv(path).rows], None
        if path.suffix.lower() in {".json", ".jsonl", ".ndjson"}:
            return path.name, *_json_rows(path)
        raise InputError(f"{path.name}: a log must be a .csv, .jsonl or .json file (trainer_state.json)")
    if hasattr(measured, "to_dict") and hasattr(measured, "columns"):  # a DataFrame
        measured = measured.to_dict("records")
    if not isinstance(measured, Iterable) or isinstance(measured, (bytes, Mapping)):
        raise InputError(f"`measured` must be the path of a log or its rows; got {type(measured).__name__}")
    rows = list(measured)
    if wrong := next((row for row in rows if not isinstance(row, Mapping)), None):
        raise InputError(f"`measured`: each row must be a mapping of columns to values; got {shown(wrong)}")
    return "measured", [dict(row) for row in rows], None


def _json_rows(path: Path) -> tuple[list[dict[str, Any]], int | None]:
    """Return the rows of a `trainer_state.json`, a list of objects, or JSON lines; and the steps of the run."""
    if _is_of_lines(path):
        return _lines(path), None
    data = json_value(read_bytes(path, LOG_JSON_BYTES), path.name, LOG_VALUES)
    total = None
    if isinstance(data, dict) and "log_history" in data:
        maximum, history = data.get("max_steps"), data["log_history"]
        total = maximum if isinstance(maximum, int) and maximum > 0 else None
        data = [_with_runtime(entry) for entry in history] if _are_objects(history) else None
    elif isinstance(data, dict):
        data = [data]
    if not isinstance(data, list) or not _are_objects(data):
        raise InputError(f"{path.name}: must hold objects with a step and a time, or a `log_history` of such objects")
    return data, total


def _are_objects(rows: object) -> bool:
    return isinstance(rows, list) and all(isinstance(row, dict) for row in rows)


def _is_of_lines(path: Path) -> bool:
    """Return whether a file has a row of a log on a line of its own: on one of its first two with text, in no list."""
    file, _ = open_regular(path)
    with file:
        first = [file.readline(LOG_LINE_BYTES).strip() for _ in range(_FIRST_LINES)]
    lines = [line for line in first if line][:2]
    return len(lines) == 2 and not lines[0].startswith(b"[") and any(map(_is_row, lines))


def _is_row(line: bytes) -> bool:
    try:
        row = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return False
    return isinstance(row, dict) and "log_history" not in row


def _with_runtime(entry: dict[str, Any]) -> dict[str, Any]:
    """Return an entry of a trainer state; that of the end has the time of the whole run."""
    if "train_runtime" in entry and "step" in entry and "elapsed_time" not in entry:
        return {**entry, "elapsed_time": entry["train_runtime"]}
    return entry


def _lines(path: Path) -> list[dict[str, Any]]:
    """Return the rows of JSON lines, each with its columns of numbers and texts only."""
    name, rows, bad, count = path.name, [], [], 0
    file, size = open_regular(path)
    if size > LOG_BYTES:
        raise InputError(f"{name} is larger than {LOG_BYTES / 1e6:g} MB, the limit for logs")
    with file:
        while line := file.readline(LOG_LINE_BYTES + 1):
            count += 1
            if len(line) > LOG_LINE_BYTES:
                raise InputError(f"{name}: line {count} is longer than {LOG_LINE_BYTES / 1e6:g} MB, the limit")
            if count > LOG_ROWS:
                raise InputError(f"{name}: a log must have at most {LOG_ROWS:,} rows")
            try:
                text = line.decode("utf-8-sig" if count == 1 else "utf-8").strip()
                if text:
                    row = json.loads(text)
                    rows.append({key: value for key, value in row.items() if not isinstance(value, (dict, list))})
            except (ValueError, RecursionError, AttributeError):
                bad.append(count)
    if bad and not (len(bad) == 1 and rows and bad[0] > len(rows)):  # a run under way may have half a last line
        where = ", ".join(map(str, bad[:_MOST_SHOWN])) + (", ..." if len(bad) > _MOST_SHOWN else "")
        raise InputError(f"{name}: neither JSON nor JSON lines of objects; lines that are none: {where}")
    return rows


def _key(name: str) -> str:
    return re.sub(r"[\s_\-]+", "_", name.strip().lower())


def _assigned(name: str, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the column of each role, or raise an error that lists what was found and what is accepted."""
    filled = [column for column in columns if any(_given(row.get(column)) for row in rows)]
    runs = {column.rpartition(_CHART)[0] for column in filled if _CHART in column}
    charted = [column for column in filled if _CHART in column] if len(runs) == 1 else []
    by_key = {_key(column.rpartition(_CHART)[2]): column for column in reversed(charted)}
    by_key |= {_key(column): column for column in reversed(filled)}
    roles = {}
    for role, names in ROLES.items():
        column = next((by_key[_key(accepted)] for accepted in names if _key(accepted) in by_key), None)
        if column is not None:
            roles[role] = column
    if "time" in by_key and not any(role in roles for role in _TIMES):
        roles[_kind_of_time([row[by_key["time"]] for row in rows if _given(row.get(by_key["time"]))])] = by_key["time"]
    problems = []
    if not rows:
        problems.append(f"{name}: the log has no rows")
    else:
        shown = ", ".join(columns[:_MOST_SHOWN]) + (", ..." if len(columns) > _MOST_SHOWN else "") or "none"
        if "step" not in roles:
            problems.append(f"{name}: no column of steps; found: {shown}; accepted: {', '.join(ROLES['step'])}")
        if not any(role in roles for role in _TIMES):
            accepted = "; ".join(f"{role}: {', '.join(ROLES[role])}" for role in _TIMES)
            problems.append(f"{name}: no column of times; found: {shown}. {_SINGLE}. Accepted: {accepted}")
    if problems:
        raise InputError(problems)
    return roles


def _kind_of_time(values: Sequence[Any]) -> str:
    """Return whether a column `time` holds timestamps or times since the start."""
    texts = [value.strip() for value in values if isinstance(value, str)]
    if any(not _is_number(text) and not _DURATION.fullmatch(text) for text in texts):
        return "timestamp"
    numbers = [_seconds(value) for value in values]
    if min(numbers) >= _EPOCH:
        return "timestamp"
    falls = sum(later < earlier for earlier, later in pairwise(numbers))
    if falls > _most_falls(len(numbers)):
        raise InputError(
            f"time: its values rise and fall, so they are neither timestamps nor times since the start; {_NOT_A_STEP}"
        )
    return "elapsed"


def _given(value: Any) -> bool:
    return value is not None and value != "" and not (isinstance(value, float) and math.isnan(value))


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _seconds(value: Any) -> float:
    """Return a duration or a Unix time [s], from a number or a text such as "1 day, 2:03:04"."""
    if isinstance(value, str) and (match := _DURATION.fullmatch(value.strip())):
        hours = 24 * int(match["days"] or 0) + int(match["hours"])
        return 3600.0 * hours + 60.0 * int(match["minutes"]) + float(match["seconds"])
    return float(value)


def _moment(value: Any) -> float:
    """Return a timestamp as Unix time [s]: a number, an ISO 8601 text, or a `datetime`. Without a zone it is UTC."""
    if isinstance(value, dt.datetime):
        moment = value
    elif isinstance(value, str) and not _is_number(value):
        moment = dt.datetime.fromisoformat(value.strip())
    else:
        number = float(value)
        return number / 1000 if number > 1000 * _EPOCH else number  # milliseconds
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)).timestamp()


class _Row(NamedTuple):
    step: int
    time: float
    step_time: float | None
    loss: float | None
    tokens: float | None


def _log(name: str, rows: Sequence[Mapping[str, Any]], roles: Mapping[str, str], total: int | None) -> RunLog:
    clock = next((role for role in ("timestamp", "elapsed") if role in roles), None)
    read, problems = [], []
    for number, row in enumerate(rows, 1):
        try:
            entry = _row(row, roles, clock)
        except (ValueError, OverflowError, TypeError) as error:
            problems.append(f"{name}: row {number}: {error}")
            continue
        if entry is not None:
            read.append(entry)
    if problems:
        rest = len(problems) - _MOST_SHOWN
        raise InputError([*problems[:_MOST_SHOWN], *([f"{name}: and {rest} more rows"] if rest > 0 else [])])
    if not read:
        raise InputError(f"{name}: no row has both a step ({roles['step']}) and a time")
    steps, times, restarts, kept = _timeline(name, read, clock)
    tokens = _tokens_per_step(kept)
    last = max(entry.time for entry in read) if clock == "timestamp" else None
    stated = total if total is not None else _stated_total(rows, roles)
    return RunLog(
        steps=tuple(steps),
        times=tuple(times),
        step_times=tuple(entry.step_time for entry in kept),
        losses=tuple(entry.loss for entry in kept),
        restarts=tuple(restarts),
        total_steps=stated,
        tokens_per_step=tokens,
        end=None if last is None else dt.datetime.fromtimestamp(last, dt.UTC),
        from_start=clock != "timestamp",
        notes=(f"read from {name}: {', '.join(f'{role} from {column!r}' for role, column in roles.items())}",),
    )


def _row(row: Mapping[str, Any], roles: Mapping[str, str], clock: str | None) -> _Row | None:
    """Return the numbers of a row; None where it has no step or no time, as a row of an evaluation."""
    cell = {role: row.get(column) for role, column in roles.items()}
    if not _given(cell["step"]) or not _given(cell.get(clock or "step_time")):
        return None
    step = float(cell["step"])  # type: ignore[arg-type]
    if not step.is_integer() or not 0 <= step <= 1e12:
        raise ValueError(f"{roles['step']} must be a whole number of at least 0; got {shown(cell['step'])}")
    if clock == "timestamp":
        time = _moment(cell["timestamp"])
    else:
        time = _scaled(_seconds(cell[clock]), roles[clock]) if clock else 0.0
    per_step = None
    if _given(cell.get("step_time")):
        per_step = _scaled(_seconds(cell["step_time"]), roles["step_time"])
        if not 0 < per_step < math.inf:
            raise ValueError(f"{roles['step_time']} must be above 0 and finite; got {shown(cell['step_time'])}")
    if not 0 <= time < math.inf:
        raise ValueError(f"{roles[clock or 'step_time']} must be at least 0 and finite; got {time!r}")
    loss, tokens = (_optional(cell.get(role)) for role in ("loss", "tokens"))
    return _Row(int(step), time, per_step, loss, tokens)


def _scaled(seconds: float, column: str) -> float:
    return seconds / 1000 if re.search(r"(?:_|\(|\b)ms\)?$", column.strip().lower()) else seconds


def _optional(value: Any) -> float | None:
    try:
        return float(value) if _given(value) else None
    except (TypeError, ValueError):
        return None


def _timeline(
    name: str, rows: Sequence[_Row], clock: str | None
) -> tuple[list[int], list[float], list[int], list[_Row]]:
    """Return steps, wall times since the first row or the start, the rows after a restart, and the rows used.

    A row that repeats the step of the row before it, as an evaluation does, extends its time.
    """
    if clock == "timestamp":
        rows = sorted(rows, key=lambda row: row.time)
    steps: list[int] = []
    times: list[float] = []
    restarts: list[int] = []
    kept: list[_Row] = []
    if clock == "elapsed" and len(rows) > 2 and len({row.time for row in rows}) == 1:
        raise InputError(f"{name}: the time since the start is {rows[0].time:g} s in all rows; {_NOT_A_STEP}")
    falls, offset, before = 0, 0.0, rows[0].time if clock == "timestamp" else 0.0
    for row in rows:
        last = steps[-1] if steps else 0
        back = bool(steps) and row.step < last
        if clock is None:
            new = max(row.step - last, 0) if not back else 1
            time = (times[-1] if times else 0.0) + new * (row.step_time or 0.0)
        elif clock == "elapsed":
            if row.time < before:  # the time since the start begins again
                falls += 1
                if row.step > last and not _starts_again(row, last, before, falls, len(rows)):
                    raise InputError(
                        f"{name}: the time falls from {before:g} to {row.time:g} s while the step rises from {last} to "
                        f"{row.step}; rows must be in the order of the run; {_NOT_A_STEP}"
                    )
                offset += before
                back = True
            time = offset + row.time
            before = row.time
        else:
            time = row.time - before
        if steps and row.step == last and not back:
            times[-1] = max(time, times[-1])
            continue
        if back:
            restarts.append(len(steps))
        steps.append(row.step)
        times.append(time)
        kept.append(row)
    return steps, times, restarts, kept


def _starts_again(row: _Row, last: int, before: float, falls: int, count: int) -> bool:
    """Return whether a time that falls is that of a restart which went on at the last step."""
    usual = before / max(last, 1)
    return falls <= _most_falls(count) and row.time <= _MOST_FRESH * usual * (row.step - last)


def _most_falls(count: int) -> int:
    """Return the restarts that a log of so many rows may have; more are a log out of order."""
    return max(count // 20, 1)


def _tokens_per_step(rows: Sequence[_Row]) -> float | None:
    """Return the tokens per step of a column of all tokens so far; None without one."""
    first, last = (next((row for row in ordered if row.tokens), None) for ordered in (rows, list(reversed(rows))))
    if first is None or last is None or last.tokens is None or first.tokens is None:
        return None
    if last.step > first.step and last.tokens > first.tokens:
        return (last.tokens - first.tokens) / (last.step - first.step)
    return last.tokens / last.step if last.step else None


def _stated_total(rows: Sequence[Mapping[str, Any]], roles: Mapping[str, str]) -> int | None:
    if "total_steps" not in roles:
        return None
    stated = [_optional(row.get(roles["total_steps"])) for row in rows]
    numbers = [value for value in stated if value is not None and value > 0]
    return int(numbers[-1]) if numbers else None

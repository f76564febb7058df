"""Tables of dated facts, each row with its source, and the provenance of numbers.

A table is a CSV file in `data/`; the wheel ships it as `costmodel/data`. A looked-up number carries its
`Provenance`: source, date and note.
"""

import csv
import hashlib
import io
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

from costmodel.foundation.csv_files import read_content
from costmodel.foundation.errors import InputError, MissingFactError
from costmodel.foundation.limits import TABLE_BYTES
from costmodel.foundation.ranges import Interval, Range, between
from costmodel.foundation.user_files import checked_path, read_bytes, write_text

_DATE_COLUMNS = ("as_of", "date")
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")

FIT_INPUTS = (
    "measurements/field_reports/reports",
    "measurements/other_software",
    "measurements/rl_steps",
    "measurements/serving",
    "measurements/step_times_single_node",
    "measurements/run_logs",
    "measurements/run_log_steps",
)
"""Tables that only fits, scores and tests read: the wheel does not hold them, and `fingerprint` leaves them out."""

OWN_FOLDER = "COSTMODEL_DATA"
"""Environment variable that names a folder of own tables, whose rows are added to those of the library."""

Kind = Literal["given", "looked up", "fitted", "assumed"]
Row = dict[str, str]


class Provenance(NamedTuple):
    """The origin of the value of an input."""

    kind: Kind
    """"given" by the user, "looked up" in a table, "fitted" to measurements, or "assumed" (a default)."""
    source: str = ""
    """Document, address or table that contains the value."""
    as_of: str = ""
    """Date of the value, if it has one."""
    note: str = ""
    """How the value was derived, or why it is assumed."""
    caution: str = ""
    """Limitation of the value; printed below every estimate."""

    def __str__(self) -> str:
        dated = f"{self.source} ({self.as_of})" if self.as_of else self.source
        return "; ".join(part for part in (self.kind, self.note, dated) if part)


class Figure(NamedTuple):
    """A number with its uncertainty (a range, or None) and provenance; the function that returns it states the unit."""

    value: float
    spread: Range | None
    provenance: Provenance


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A table: its name, its rows as read (all cells are text), its columns, and the hash of its bytes."""

    name: str
    rows: tuple[Row, ...]
    columns: tuple[str, ...]
    sha256: str

    @property
    def vintage(self) -> str:
        """The newest date in the table (ISO), or "" if the table has no dates."""
        dates = [row[column] for row in self.rows for column in _DATE_COLUMNS if column in row]
        return max((date for date in dates if _ISO_DATE.fullmatch(date)), default="")


@lru_cache(maxsize=1)
def folder() -> Path:
    """Return the folder of the tables: that of the wheel, or of the repository in an editable install."""
    package = Path(__file__).resolve().parent.parent
    for candidate in (package / "data", package.parent.parent / "data"):
        if candidate.is_dir():
            return candidate
    raise MissingFactError("the tables of costmodel are missing: reinstall the package")


@lru_cache(maxsize=64)
def table(name: str) -> Table:
    """Return a table of the library.

    Parameters
    ----------
    name : str
        Path below `data/` without the suffix, such as "prices/api".
    """
    shipped = read_csv(folder() / f"{name}.csv")
    own = own_tables().get(name)
    return shipped if own is None else merged(name, shipped, read_csv(own))


def own_folder() -> Path | None:
    """Return the folder of own tables that the environment variable `COSTMODEL_DATA` names; None if it names none."""
    named = os.environ.get(OWN_FOLDER, "")
    return Path(named) if named else None


@lru_cache(maxsize=1)
def own_tables() -> dict[str, Path]:
    """Return the files of own tables by table; `costmodel data refresh` writes them.

    Raises
    ------
    InputError
        If `COSTMODEL_DATA` names no folder, or the folder holds a CSV file that is no table of prices or accelerators.
    """
    root = own_folder()
    if root is None:
        return {}
    if not root.is_dir():
        raise InputError(f"{OWN_FOLDER}: must name a folder of tables; got {str(root)!r}")
    files = {path.relative_to(root).with_suffix("").as_posix(): path for path in sorted(root.rglob("*.csv"))}
    if wrong := [name for name in files if name not in refreshable()]:
        listed = ", ".join(refreshable())
        raise InputError([f"{OWN_FOLDER}: {root / name}.csv is none of the tables {listed}" for name in wrong])
    return files


@lru_cache(maxsize=1)
def refreshable() -> tuple[str, ...]:
    """Return the names of the tables to which own rows can be added: prices, and the accelerators."""
    prices = sorted(f"prices/{path.stem}" for path in (folder() / "prices").glob("*.csv"))
    return ("facts/accelerators", "gpu_prices", *prices)


def merged(name: str, base: Table, new: Table) -> Table:
    """Return a table with the rows of another one: a row with the same key is replaced, another one is added.

    Parameters
    ----------
    name : str
        Name of the table, whose schema tells the key and the order.
    base, new : Table

    Raises
    ------
    InputError
        If the columns differ, as they do where the rows were written for another version of the library.
    """
    if new.columns != base.columns:
        wanted, given = ", ".join(base.columns), ", ".join(new.columns)
        raise InputError(f"{name}: the columns must be {wanted}; got {given}, as another version of costmodel has them")
    schema = json.loads((folder() / "schemas" / f"{name}.json").read_text(encoding="utf-8"))
    key, kinds = schema["x-key"], {column: schema["properties"][column]["type"] for column in schema["x-key"]}
    by_key = {tuple(row[column] for column in key): row for row in (*base.rows, *new.rows)}
    rows = list(by_key.values())
    if schema.get("x-sorted-by-key"):
        rows.sort(key=lambda row: [row[part] if kinds[part] == "string" else float(row[part] or 0) for part in key])
    return Table(
        base.name, tuple(rows), base.columns, hashlib.sha256(f"{base.sha256}{new.sha256}".encode()).hexdigest()
    )


def read_csv(path: str | Path) -> Table:
    """Return the table of a CSV file with a header row; see `csv_files.read_content` for what is accepted.

    Parameters
    ----------
    path : str or Path
        File.

    Raises
    ------
    InputError
        If the file cannot be read, is larger than 20 MB, or has a row with more or fewer cells than its header.
    """
    path = checked_path(path)
    content = read_bytes(path, TABLE_BYTES)
    columns, rows = read_content(content, path.name)
    return Table(path.stem, rows, columns, hashlib.sha256(content).hexdigest())


def write_rows(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """Write a CSV table and the folders above it; the keys of the first row are its columns."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from None
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, out.getvalue())


def written(text: str, path: str | Path | None) -> str:
    """Return a text, and write it to a file if a path is given.

    Parameters
    ----------
    text : str
        Text to write.
    path : str or pathlib.Path, optional
        File to write.
    """
    if path is not None:
        write_text(path, text)
    return text


@lru_cache(maxsize=32)
def default(name: str) -> Figure:
    """Return a default of `data/assumptions/defaults.csv`, in the unit of its row.

    Parameters
    ----------
    name : str
        Name of the row.
    """
    row = next(row for row in table("assumptions/defaults").rows if row["name"] == name)
    shape, floor = ("logitnormal", 0.0) if row["shape"] == "logitnormal" else ("lognormal", float(row["floor"]))
    interval: Interval = between(float(row["low"]), float(row["high"]), level=float(row["level"]))
    spread = interval.settled(shape, floor)  # type: ignore[arg-type]
    return Figure(spread.median(), spread, Provenance("assumed", row["source"], note=row["note"]))


@lru_cache(maxsize=1)
def _model_constants() -> dict[str, float]:
    return {row["name"]: float(row["value"]) for row in table("assumptions/model_constants").rows}


def constant(name: str) -> float:
    """Return a constant of `data/assumptions/model_constants.csv`, in the unit of its row.

    Parameters
    ----------
    name : str
        Name of the row.
    """
    return _model_constants()[name]


@lru_cache(maxsize=1)
def fingerprint() -> str:
    """Return a short hash over the tables that estimates read: estimates with the same hash saw the same facts.

    Own tables count too; schemas and `FIT_INPUTS` are left out.
    """
    digest = hashlib.sha256()
    base = folder()
    for path in sorted(base.rglob("*")):
        if path.suffix not in {".csv", ".json"}:
            continue
        name = path.relative_to(base).as_posix()
        if not name.startswith("schemas/") and name.removesuffix(path.suffix) not in FIT_INPUTS:
            digest.update(name.encode() + b"\0" + path.read_bytes())
    for name, path in own_tables().items():
        digest.update(f"own/{name}".encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]

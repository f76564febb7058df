"""Tables: every row has a source, other files are refused, and the fingerprint depends on the content."""

import re
from pathlib import Path

import pytest

import costmodel as cm
from costmodel.foundation import tables
from costmodel.foundation.limits import TABLE_BYTES
from costmodel.foundation.ranges import Interval
from costmodel.foundation.tables import Provenance, constant, default, fingerprint, folder, read_csv, table

CSV = sorted(path.relative_to(folder()).with_suffix("").as_posix() for path in folder().rglob("*.csv"))


def written(tmp_path, content, name="facts.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_tables_are_found():
    assert {"facts/accelerators", "gpu_prices", "measurements/published_runs", "assumptions/defaults"} <= set(CSV)


@pytest.mark.parametrize("name", CSV)
def test_every_row_has_a_source(name):
    facts = table(name)
    column = next(column for column in facts.columns if column in ("source", "source_url"))
    assert facts.rows
    assert [number for number, row in enumerate(facts.rows, 2) if len(row[column].strip()) < 3] == []


@pytest.mark.parametrize("name", CSV)
def test_no_row_is_repeated(name):
    rows = [tuple(row.values()) for row in table(name).rows]
    assert len(rows) == len(set(rows))


def test_every_architecture_has_a_source():
    rows = cm.architectures()
    assert len(rows) > 50 and all(len(row["source"]) > 2 for row in rows)


def test_the_vintage_is_the_newest_day(tmp_path):
    content = "name,as_of\na,2024-05-01\nb,2026-01-31\nc,2025-12-31\nd,unknown\n"
    assert read_csv(written(tmp_path, content)).vintage == "2026-01-31"
    assert read_csv(written(tmp_path, "name\na\n")).vintage == ""
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", table("gpu_prices").vintage)
    assert table("gpu_prices").vintage == max(row["as_of"] for row in table("gpu_prices").rows)


def test_a_table_is_read_as_text(tmp_path):
    facts = read_csv(written(tmp_path, b'\xef\xbb\xbfname,note\r\nH100,"a, ""b""\nc"\r\n\r\n\xe2\x82\xac,2.50\r\n'))
    assert facts.name == "facts" and facts.columns == ("name", "note")
    assert facts.rows == ({"name": "H100", "note": 'a, "b"\nc'}, {"name": "€", "note": "2.50"})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfea,b\n", "facts.csv is not a CSV file in UTF-8"),
        (b'a,b\n"1,2\n', "facts.csv is not a CSV file in UTF-8"),
        (b"a,b\n1,2\n3\n", "facts.csv is not a table: line 3 has more or fewer cells"),
        (b"a,b\n1,2,3\n", "line 2 has more or fewer cells"),
        (b"", "it has no header"),
        (b"a,b\n" + b"x" * 200_000 + b",1\n", "field larger"),
    ],
)
def test_file_that_is_not_a_table_is_refused(tmp_path, content, message):
    with pytest.raises(cm.InputError, match=message):
        read_csv(written(tmp_path, content))


def test_duplicate_column_names_are_refused(tmp_path):
    with pytest.raises(cm.InputError, match=r"facts\.csv"):
        read_csv(written(tmp_path, "price,price\n1,2\n"))


def test_unreadable_file_is_refused(tmp_path):
    with pytest.raises(cm.InputError, match=r"none.csv cannot be read: No such file"):
        read_csv(tmp_path / "none.csv")
    with pytest.raises(cm.InputError, match="cannot be read"):
        read_csv(tmp_path)


def test_invalid_path_is_refused():
    with pytest.raises(cm.InputError, match="cannot be read"):
        read_csv(Path("facts\0.csv"))
    with pytest.raises(cm.InputError, match="cannot be read"):
        cm.Scenario.load("run\0.toml")


def test_file_above_the_size_limit_is_refused(tmp_path):
    path = tmp_path / "facts.csv"
    with path.open("wb") as file:
        file.truncate(TABLE_BYTES + 1)
    with pytest.raises(cm.InputError, match="larger than 20 MB"):
        read_csv(path)


def test_the_hash_of_a_table_follows_its_content(tmp_path):
    one = read_csv(written(tmp_path, "a\n1\n", "one.csv"))
    same = read_csv(written(tmp_path, "a\n1\n", "same.csv"))
    other = read_csv(written(tmp_path, "a\n2\n", "other.csv"))
    assert one.sha256 == same.sha256 != other.sha256


@pytest.fixture
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "folder", lambda: tmp_path)
    fingerprint.cache_clear()
    yield tmp_path
    fingerprint.cache_clear()


def test_the_fingerprint_follows_content_and_names(own_folder):
    def mark():
        fingerprint.cache_clear()
        return fingerprint()

    written(own_folder, "a\n1\n", "one.csv")
    first = mark()
    written(own_folder, "notes", "readme.txt")
    assert mark() == first and re.fullmatch(r"[0-9a-f]{12}", first)
    written(own_folder, "a\n2\n", "one.csv")
    changed = mark()
    written(own_folder, "a\n1\n", "one.csv")
    assert mark() == first != changed
    (own_folder / "one.csv").rename(own_folder / "two.csv")
    assert mark() != first


def test_a_provenance_as_text():
    assert str(Provenance("given")) == "given"
    looked_up = Provenance("looked up", "https://lambda.ai/pricing", "2026-09-17", "lambda, on demand")
    assert str(looked_up) == "looked up; lambda, on demand; https://lambda.ai/pricing (2026-09-17)"


@pytest.mark.parametrize("name", [row["name"] for row in table("assumptions/defaults").rows])
def test_default_is_the_median_of_a_range_with_a_source(name):
    figure = default(name)
    row = next(row for row in table("assumptions/defaults").rows if row["name"] == name)
    assert isinstance(figure.spread, Interval)
    assert (figure.spread.low, figure.spread.high) == (float(row["low"]), float(row["high"]))
    assert figure.value == figure.spread.median() and figure.spread.low < figure.value < figure.spread.high
    assert figure.provenance.kind == "assumed" and figure.provenance.source == row["source"]


def test_each_model_constant_is_read_once_by_the_module_that_its_row_names(root):
    read = {
        (name, ".".join(path.relative_to(root / "src").with_suffix("").parts))
        for path in (root / "src").rglob("*.py")
        for name in re.findall(r'constant\("(\w+)"\)', path.read_text(encoding="utf-8"))
        if path.name != "tables.py"
    }
    rows = table("assumptions/model_constants").rows
    assert sorted(read) == sorted((row["name"], row["used_by"]) for row in rows)
    assert all(constant(row["name"]) == float(row["value"]) for row in rows)

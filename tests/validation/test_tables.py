"""The shipped tables follow their schemas, and `costmodel data` reports errors."""

import datetime as dt
import json
import re
import shutil
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import costmodel as cm
from costmodel.foundation import tables
from costmodel.foundation.schemas import Accepted, check_objects, load_schema, row_object, schema_names
from costmodel.foundation.tables import folder, table
from costmodel.market.gpu_prices import PURCHASE_MODELS
from costmodel.market.price_table import COLUMNS
from costmodel.training.calibration.columns import STEPS
from costmodel.training.calibration.finetune_columns import FINE_TUNES
from costmodel.validation.data_readme import readme, table_rows
from costmodel.validation.tables import check_file, check_tables, read_objects, table_file, table_names

SHIPPED = [name for name in schema_names() if table_file(name).is_file()]
REVIEWED = dt.date(2026, 11, 26)
"""Day on which all tables were fresh."""
TODAY = max(REVIEWED, dt.date.fromisoformat(max(table("gpu_prices").vintage, table("prices/api").vintage)))
DRAFT = "https://json-schema.org/draft/2020-12/schema"


def objects(name):
    if table_file(name).suffix == ".json":
        return list(read_objects(name))
    schema = load_schema(name)
    return [row_object(schema, row) for row in table(name).rows]


@pytest.mark.parametrize("name", table_names())
def test_every_table_has_a_schema_and_keeps_to_it(name):
    (result,) = check_tables([name], TODAY)
    assert result.lines() == [line for line in result.lines() if "warning" in line]
    assert result.rows > 0


def test_no_table_was_stale_on_the_day_of_the_review():
    assert [warning for result in check_tables(today=REVIEWED) for warning in result.warnings] == []


def test_old_tables_are_reported_as_stale_and_not_as_wrong():
    (result,) = check_tables(["gpu_prices"], dt.date(2027, 11, 26))
    assert result.problems == ()
    assert (
        "warning: the newest as_of is" in result.lines()[0] and "refresh the table after 90 days" in result.lines()[0]
    )


def test_every_column_is_described_with_a_unit_where_it_is_a_number():
    for name in schema_names():
        schema = load_schema(name)
        for column, described in [
            *schema.properties.items(),
            *([("further", schema.further)] if schema.further else []),
        ]:
            assert described.description.endswith("."), (name, column)
            assert described.unit or described.type not in {"number", "integer"}, (name, column)
        tables = {path.rpartition(".")[0] for each in schema.properties.values() for path in each.references}
        sourced = [schema, *(load_schema(table) for table in tables if not schema.in_wheel)]
        assert any({"source", "source_url"} & set(each.required) for each in sourced), name


@pytest.mark.parametrize("name", schema_names())
def test_schemas_are_json_schemas(name):
    jsonschema = pytest.importorskip("jsonschema", reason="needs jsonschema")
    raw = json.loads((folder() / "schemas" / f"{name}.json").read_text(encoding="utf-8"))
    assert raw["$schema"] == DRAFT and raw["$id"] == name
    jsonschema.Draft202012Validator.check_schema(raw)
    assert set(raw["required"]) <= set(raw["properties"]) and set(raw["x-key"]) <= set(raw["properties"])


def validator(name):
    jsonschema = pytest.importorskip("jsonschema", reason="needs jsonschema")
    raw = json.loads((folder() / "schemas" / f"{name}.json").read_text(encoding="utf-8"))
    checker = jsonschema.FormatChecker(formats=())
    checker.checks("date")(lambda value: not isinstance(value, str) or _is_day(value))
    return jsonschema.Draft202012Validator(raw, format_checker=checker)


def _is_day(value):
    try:
        return re.fullmatch(r"\d{4}-\d{2}-\d{2}", value) is not None and bool(dt.date.fromisoformat(value))
    except ValueError:
        return False


@pytest.mark.parametrize("name", SHIPPED)
def test_jsonschema_accepts_every_shipped_row(name):
    valid = validator(name)
    assert [row for row in objects(name) if not valid.is_valid(row)] == []


CELLS = st.one_of(
    st.just(""),
    st.sampled_from(["0", "-1", "1.5", "1e3", "nan", "2026-02-30", "2026-09-01", "true", "market", "untraced"]),
    st.text(string.printable, max_size=12),
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([name for name in SHIPPED if table_file(name).suffix == ".csv"]), st.data())
def test_jsonschema_gives_the_same_verdict_on_changed_rows(name, data):
    valid, schema = validator(name), load_schema(name)
    rows = table(name).rows
    row = rows[data.draw(st.integers(0, len(rows) - 1))]
    column = data.draw(st.sampled_from(list(row)))
    changed = row_object(schema, {**row, column: data.draw(CELLS)})
    ours = check_objects([changed], schema.model_copy(update={"ordered": ()}), Accepted())
    assert valid.is_valid(changed) == (ours == [])


def test_the_readme_of_the_data_is_current(root):
    written = (root / "data" / "README.md").read_text(encoding="utf-8")
    assert written == readme() + "\n", "run: costmodel data readme > data/README.md"


def test_tables_are_listed_with_rows_and_source():
    rows = {row["table"]: row for row in table_rows()}
    assert set(rows) == set(SHIPPED)
    assert rows["gpu_prices"]["rows"] == len(table("gpu_prices").rows)
    assert all(row["what"] and row["source"] for row in rows.values())


def test_schemas_agree_with_the_code_that_reads_the_tables():
    prices = load_schema("gpu_prices")
    assert tuple(prices.properties) == COLUMNS
    assert prices.properties["purchase_model"].enum == PURCHASE_MODELS
    for name, declared in (("measurements/step_times", STEPS), ("measurements/finetunes", FINE_TUNES)):
        for column, described in load_schema(name).properties.items():
            words = set(declared.columns[column].words.values())
            assert set(described.enum) <= words if words else not described.enum, (name, column)


def test_the_tables_outside_the_wheel_are_the_inputs_of_fits():
    assert {name for name in schema_names() if not load_schema(name).in_wheel} == set(tables.FIT_INPUTS)


@pytest.fixture
def own_folder(tmp_path, monkeypatch):
    shutil.copytree(folder(), tmp_path / "data")
    for module in ("foundation.tables", "foundation.schemas", "validation.tables"):
        monkeypatch.setattr(f"costmodel.{module}.folder", lambda: tmp_path / "data")
    table.cache_clear()
    yield tmp_path / "data"
    table.cache_clear()


def test_mistake_is_reported_with_file_and_line(own_folder):
    path = own_folder / "facts" / "networks.csv"
    path.write_text(
        path.read_text(encoding="utf-8").replace("\nP100-SXM2,6.25,", "\nP100-SXN2,-6.25,"), encoding="utf-8"
    )
    (result,) = check_tables(["facts/networks"], TODAY)
    assert result.lines() == [
        "data/facts/networks.csv:3: accelerator: unknown accelerator 'P100-SXN2'; "
        "did you mean 'P100-SXM2' or 'H100-SXM' or 'V100-32GB-SXM2'?",
        "data/facts/networks.csv:3: network_gb_per_s: must be a number above 0, or blank; got -6.25",
    ]


def test_a_table_without_a_schema_or_a_missing_table_is_a_mistake(own_folder):
    (own_folder / "facts" / "new.csv").write_text("name\na\n", encoding="utf-8")
    (own_folder / "prices" / "api.csv").unlink()
    found = {result.name: result.lines() for result in check_tables(today=TODAY) if result.problems}
    assert found["facts/new"] == ["data/facts/new.csv: has no schema: add data/schemas/facts/new.json"]
    assert found["prices/api"] == ["data/prices/api.csv: is missing: reinstall the package"]


def test_a_file_of_the_user_is_checked_in_a_schema_of_the_library(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text(
        ",".join(COLUMNS) + "\nH100-SXM,my-cloud,,,8,on_demand,1.5,2026-08-01,invoice 7,\n", encoding="utf-8"
    )
    assert check_file(path, "gpu_prices", TODAY).lines() == []
    path.write_text(path.read_text(encoding="utf-8").replace("1.5", "free"), encoding="utf-8")
    assert f"{path}:2: usd_per_gpu_hour: must be a number above 0" in check_file(path, "gpu_prices", TODAY).lines()[0]
    with pytest.raises(cm.UnknownNameError, match="unknown schema 'gpu_price'; did you mean 'gpu_prices'"):
        check_file(path, "gpu_price", TODAY)


def test_an_unknown_table_names_the_nearest():
    with pytest.raises(cm.UnknownNameError, match="unknown table 'prices/apis'; did you mean 'prices/api'"):
        check_tables(["prices/apis"], TODAY)


def test_the_fingerprint_of_the_facts_ignores_the_words_of_schemas(own_folder):
    tables.fingerprint.cache_clear()
    before = tables.fingerprint()
    path = own_folder / "schemas" / "gpu_prices.json"
    path.write_text(path.read_text(encoding="utf-8").replace("Rental", "rental"), encoding="utf-8")
    tables.fingerprint.cache_clear()
    assert tables.fingerprint() == before
    tables.fingerprint.cache_clear()

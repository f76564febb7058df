"""New rows of prices and accelerators: what changes, what is refused, and where own tables are read."""

import csv
import datetime as dt
import json
import os
import subprocess
import sys

import pytest

from costmodel.foundation import tables
from costmodel.foundation.errors import InputError
from costmodel.foundation.schemas import Accepted, check_table, load_schema
from costmodel.foundation.tables import merged, own_tables, refreshable, table
from costmodel.validation.refresh import new_files, refresh

TODAY = dt.date(2026, 12, 15)


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def price(**cells):
    last = next(row for row in reversed(table("gpu_prices").rows) if row["provider"] == "lambda")
    return {**last, "as_of": "2026-12-01", "source_url": "https://lambda.ai/pricing", "note": "", **cells}


def accelerator(**cells):
    return {**next(row for row in table("facts/accelerators").rows if row["name"] == "H200-SXM"), **cells}


def refreshed(folder):
    return {result.name: result for result in refresh(new_files(folder), TODAY)}


def test_a_newer_price_is_compared_with_the_newest_earlier_one_of_its_offer(tmp_path):
    before = price(as_of="2024-01-01")
    offer = {
        key: before[key] for key in ("accelerator", "purchase_model", "region", "instance_type", "gpus_per_instance")
    }
    known = [row for row in table("gpu_prices").rows
             if row["provider"] == "lambda" and all(row[key] == cell for key, cell in offer.items())]  # fmt: skip
    newest = max(known, key=lambda row: row["as_of"])
    half = float(newest["usd_per_gpu_hour"]) / 2
    write(tmp_path / "gpu_prices.csv", [price(usd_per_gpu_hour=str(half))])
    (change,) = refreshed(tmp_path)["gpu_prices"].changes
    assert (change.kind, change.column, change.before) == ("changed", "usd_per_gpu_hour", newest["usd_per_gpu_hour"])
    assert change.percent == pytest.approx(-50) and change.date_before == newest["as_of"]
    assert "-50.0 %" in str(change) and "check this number" not in str(change)


def test_a_price_that_jumps_asks_for_a_check(tmp_path):
    write(tmp_path / "gpu_prices.csv", [price(usd_per_gpu_hour="500")])
    (change,) = refreshed(tmp_path)["gpu_prices"].changes
    assert str(change).endswith("check this number")


def test_rows_are_new_seen_again_earlier_or_known(tmp_path):
    first = table("gpu_prices").rows[0]
    rows = [price(provider="acme"), price(), price(as_of="2015-01-01"), first]
    write(tmp_path / "gpu_prices.csv", rows)
    result = refreshed(tmp_path)["gpu_prices"]
    assert [change.kind for change in result.changes] == ["new", "seen again", "earlier"]
    assert result.known == 1 and len(result.new.rows) == 3
    assert len(result.merged.rows) == len(table("gpu_prices").rows) + 3
    assert check_table(result.merged, load_schema("gpu_prices"), Accepted()) == []  # sorted, without duplicates
    assert f"{result.kept} not in the files and kept: prices of the past" in result.summary()


def test_an_accelerator_changes_in_place_and_a_new_one_can_be_priced_at_once(tmp_path):
    write(tmp_path / "facts" / "accelerators.csv", [accelerator(tdp_w="770"), accelerator(name="X9", aliases="X-9")])
    write(tmp_path / "gpu_prices.csv", [price(accelerator="X9")])
    results = refreshed(tmp_path)
    assert list(results) == ["facts/accelerators", "gpu_prices"]
    changed, new = results["facts/accelerators"].changes
    assert (changed.row, changed.column, changed.before, changed.after) == ("H200-SXM", "tdp_w", "700", "770")
    assert changed.percent == pytest.approx(10) and (new.kind, new.row) == ("new", "X9")
    assert len(results["facts/accelerators"].merged.rows) == len(table("facts/accelerators").rows) + 1
    assert results["gpu_prices"].changes[0].row.startswith("X9, lambda")


def test_several_files_of_one_table_are_merged_in_turn(tmp_path):
    write(tmp_path / "gpu_prices-1.csv", [price(provider="acme", usd_per_gpu_hour="4")])
    write(tmp_path / "gpu_prices-2.csv", [price(provider="acme", usd_per_gpu_hour="3", as_of="2026-12-08")])
    new, changed = refreshed(tmp_path)["gpu_prices"].changes
    assert new.kind == "new" and changed.percent == pytest.approx(-25)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"usd_per_gpu_hour": "free"}, "gpu_prices.csv:3: usd_per_gpu_hour: must be a number above 0"),
        ({"accelerator": "H900"}, "gpu_prices.csv:3: accelerator: unknown accelerator 'H900'"),
        ({"as_of": "2027-01-01"}, "gpu_prices.csv:3: as_of: 2027-01-01 lies in the future: today is 2026-12-15"),
        ({"source_url": ""}, "gpu_prices.csv:3: source_url: must be"),
        ({"provider": "acme"}, "gpu_prices.csv:3: repeats line 2"),
    ],
)
def test_a_bad_row_is_refused_with_file_row_and_column(tmp_path, cells, message):
    write(tmp_path / "gpu_prices.csv", [price(provider="acme"), price(**cells)])
    with pytest.raises(InputError) as raised:
        refreshed(tmp_path)
    assert message in str(raised.value)


def test_a_price_of_a_known_day_cannot_change(tmp_path):
    first = table("gpu_prices").rows[0]
    write(tmp_path / "gpu_prices.csv", [{**first, "usd_per_gpu_hour": "123"}])
    with pytest.raises(InputError, match=r":2: usd_per_gpu_hour: contradicts the table, which has .*; got 123"):
        refreshed(tmp_path)


def test_a_wrong_accelerator_is_told_once(tmp_path):
    write(tmp_path / "accelerators.csv", [accelerator(name="X9", aliases="X-9", tdp_w="-1")])
    write(tmp_path / "gpu_prices.csv", [price(accelerator="X9")])
    with pytest.raises(InputError) as raised:
        refreshed(tmp_path)
    (problem,) = raised.value.problems
    assert "accelerators.csv:2: tdp_w: must be a number above 0" in problem


def test_two_accelerators_cannot_share_a_name(tmp_path):
    write(tmp_path / "accelerators.csv", [accelerator(name="X9", aliases="X-9|h100-sxm")])
    with pytest.raises(
        InputError, match="'h100-sxm' must be a name of one accelerator; it is one of H100-SXM and of X9"
    ):
        refreshed(tmp_path)


def test_files_that_are_no_tables(tmp_path):
    with pytest.raises(InputError, match="must be a folder of tables"):
        new_files(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no CSV file"):
        new_files(tmp_path)
    write(tmp_path / "price.csv", [price()])
    with pytest.raises(
        InputError, match=r"price\.csv: is named as no table .* accepted: accelerators\.csv, gpu_prices\.csv"
    ):
        new_files(tmp_path)


@pytest.mark.parametrize("name", refreshable())
def test_a_table_that_is_refreshed_with_itself_does_not_change(name, tmp_path):
    write(tmp_path / f"{name}.csv", table(name).rows)
    result = refreshed(tmp_path)[name]
    assert (result.changes, result.new.rows, result.kept) == ((), (), 0)
    assert result.known == len(table(name).rows) and result.merged.rows == table(name).rows


def test_the_command_writes_new_rows_that_an_installed_library_reads(tmp_path, costmodel_command):
    write(tmp_path / "new" / "accelerators.csv", [accelerator(name="X9", aliases="X-9")])
    write(tmp_path / "new" / "gpu_prices.csv", [price(accelerator="X9", usd_per_gpu_hour="7.5")])
    own = tmp_path / "own"
    options = ["data", "refresh", "--from", tmp_path / "new", "--today", TODAY]
    shown = costmodel_command(*options)
    assert "nothing is written" in shown.stdout and not own.exists()
    done = costmodel_command(*options, "--write", "--into", own)
    assert f"estimates read these rows when COSTMODEL_DATA is {own}" in done.stdout
    assert len((own / "gpu_prices.csv").read_text(encoding="utf-8").splitlines()) == 2
    listed = costmodel_command("prices", "list", "--gpu", "X9", "--json", own=own)
    assert [row["usd_per_gpu_hour"] for row in json.loads(listed.stdout)["rows"]] == ["7.5"]
    again = costmodel_command(*options, "--write", "--json", own=own)
    found = json.loads(again.stdout)
    assert [row["new"] for row in found["tables"]] == [0, 0] and found["changes"] == []
    run = ("estimate", "llama-3.1-8b", "--tokens", "1B", "--gpu", "H100-SXM", "--gpus", 8)
    stamps = [costmodel_command(*run, own=folder) for folder in (None, own)]
    assert stamps[0].stdout.splitlines()[-1] != stamps[1].stdout.splitlines()[-1]


@pytest.fixture
def costmodel_command():
    def run(*arguments, own=None):
        environment = {**os.environ, "COSTMODEL_DATA": str(own or ""), "COLUMNS": "200"}
        command = [sys.executable, "-m", "costmodel", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, encoding="utf-8")
        assert done.returncode == 0, done.stderr
        return done

    return run


@pytest.fixture
def no_memory():
    own_tables.cache_clear()
    yield
    own_tables.cache_clear()


@pytest.mark.usefixtures("no_memory")
def test_a_folder_of_own_tables_that_cannot_be_read(tmp_path, monkeypatch):
    monkeypatch.setenv("COSTMODEL_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="COSTMODEL_DATA: must name a folder of tables"):
        own_tables()
    monkeypatch.setenv("COSTMODEL_DATA", str(tmp_path))
    write(tmp_path / "facts" / "networks.csv", [{"name": "a"}])
    with pytest.raises(InputError, match=r"networks\.csv is none of the tables facts/accelerators, gpu_prices"):
        own_tables()


def test_own_rows_of_another_version_of_the_library(tmp_path):
    write(tmp_path / "gpu_prices.csv", [{"accelerator": "H100-SXM", "price": "2"}])
    with pytest.raises(InputError, match="as another version of costmodel has them"):
        merged("gpu_prices", table("gpu_prices"), tables.read_csv(tmp_path / "gpu_prices.csv"))

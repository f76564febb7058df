"""`costmodel data`: list and check tables."""

import json

from costmodel.foundation.tables import table
from costmodel.market.price_table import COLUMNS


def test_check_prints_one_line_per_sound_table(costmodel):
    outcome = costmodel("data", "check", "prices/api", "data/gpu_prices.csv", "--today", "2026-11-26")
    assert outcome.code == 0
    assert [line.split(":")[0] for line in outcome.out.splitlines()] == ["data/prices/api.csv", "data/gpu_prices.csv"]
    assert f"{len(table('gpu_prices').rows)} rows, ok, newest {table('gpu_prices').vintage}" in outcome.out


def test_check_a_file_in_a_schema_exits_with_1_on_a_mistake(costmodel, tmp_path):
    path = tmp_path / "own.csv"
    path.write_text(",".join(COLUMNS) + "\nH100-SXM,my-cloud,,,8,on_demand,0,2026-08-01,invoice 7,\n", encoding="utf-8")
    outcome = costmodel("data", "check", path, "--as", "gpu_prices", "--today", "2026-11-26")
    assert outcome.code == 1
    assert f"{path}: 1 rows, 1 problem" in outcome.out
    assert f"{path}:2: usd_per_gpu_hour: must be a number above 0 and at most 1000; got 0.0" in outcome.out


def test_check_as_json_with_a_warning_exits_with_0(costmodel):
    outcome = costmodel("data", "check", "gpu_prices", "--today", "2028-01-01", "--json")
    assert outcome.code == 0
    (result,) = json.loads(outcome.out)["tables"]
    assert result["table"] == "gpu_prices" and result["problems"] == [] and len(result["warnings"]) == 1


def test_check_refuses_an_unknown_table_a_wrong_day_and_a_schema_without_files(refused):
    assert "unknown table 'gpu_price'" in refused("data", "check", "gpu_price")[0]
    assert "must be a date" in refused("data", "check", "--today", "soon")[0]
    assert "give the files to check" in refused("data", "check", "--as", "gpu_prices")[0]


def test_list_and_readme(costmodel):
    rows = json.loads(costmodel("data", "list", "--json").out)["rows"]
    assert {"table", "rows", "newest", "what", "source"} == set(rows[0])
    assert costmodel("data", "readme").out.startswith("# Data\n")

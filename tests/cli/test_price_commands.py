"""`costmodel prices`: list, check and merge."""

import json

import pytest

import costmodel as cm
from costmodel.foundation.tables import read_csv, table
from costmodel.market.gpu_prices import traced_prices
from costmodel.market.price_table import as_csv

ROW = {
    "accelerator": "H100-SXM", "provider": "lambda", "region": "us", "instance_type": "8x", "gpus_per_instance": "8",
    "purchase_model": "on_demand", "usd_per_gpu_hour": "3.99", "as_of": "2024-09-17",
    "source_url": "https://lambda.ai/pricing", "note": "",
}  # fmt: skip


@pytest.fixture
def written(tmp_path):
    def write(name, *changes):
        path = tmp_path / name
        path.write_text(as_csv([{**ROW, **change} for change in changes]), encoding="utf-8")
        return path

    return write


def test_list_filters(costmodel):
    rows = json.loads(costmodel("prices", "list", "--gpu", "h100", "--provider", "lambda", "--json").out)["rows"]
    expected = [r for r in traced_prices().rows if (r["accelerator"], r["provider"]) == ("H100-SXM", "lambda")]
    assert len(rows) == len(expected) > 10
    assert all(row["source_url"] for row in rows)
    days = [row["as_of"] for row in rows]
    assert days == sorted(days)


def test_list_all_as_text(costmodel):
    lines = costmodel("prices", "list").out.splitlines()
    assert len(lines) == len(traced_prices().rows) + 2 and lines[0].startswith("accelerator")


def test_list_with_untraced_prices_marks_them(costmodel):
    lines = costmodel("prices", "list", "--all").out.splitlines()
    rows = table("gpu_prices").rows
    assert len(lines) == len(rows) + 2
    marked = [line for line in lines if " untraced" in line]
    assert len(marked) == sum(row["source_url"] == "untraced" for row in rows) > 0


def test_list_an_own_table(costmodel, written):
    outcome = costmodel("prices", "list", "--table", written("own.csv", {}))
    assert outcome.code == 0 and outcome.out.splitlines()[2].startswith("H100-SXM")


def test_list_what_is_not_there(refused, tmp_path, written):
    assert "unknown accelerator 'H100SXN'" in refused("prices", "list", "--gpu", "H100SXN")[0]
    assert "unknown provider 'nobody'" in refused("prices", "list", "--provider", "nobody")[0]
    assert "no such price" in refused("prices", "list", "--provider", "lambda", "--gpu", "RTX-3060")[0]
    assert "cannot be read" in refused("prices", "list", "--table", tmp_path / "none.csv")[0]


def test_list_a_table_in_other_columns(refused, tmp_path):
    (tmp_path / "own.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    assert "column" in refused("prices", "list", "--table", tmp_path / "own.csv")[0]


def test_check_the_shipped_table(costmodel):
    outcome = costmodel("prices", "check")
    facts = table("gpu_prices")
    assert outcome.code == 0
    assert outcome.out.startswith(f"gpu_prices: {len(facts.rows)} prices are sound; newest {facts.vintage}")


def test_check_tells_every_problem(refused, written):
    file = written("own.csv", {"accelerator": "H100SXM"}, {"usd_per_gpu_hour": "0", "source_url": ""})
    problems = refused("prices", "check", file)
    assert [problem.split(": ")[:2] for problem in problems] == [
        ["line 2", "accelerator"], ["line 3", "usd_per_gpu_hour"], ["line 3", "source_url"],
    ]  # fmt: skip


def test_check_names_what_is_stale(costmodel, written):
    file = written(
        "own.csv", {"provider": "lambda", "as_of": "2024-01-01"}, {"provider": "nebius", "as_of": "2025-06-01"}
    )
    out = costmodel("prices", "check", file).out
    assert "own: 2 prices are sound; newest 2025-06-01" in out
    assert (
        "1 offer was last seen more than a year before:" in out
        and "H100-SXM at lambda (on_demand): last seen 2024-01-01" in out
    )


def test_check_an_empty_table(refused, written):
    (problem,) = refused("prices", "check", written("own.csv"))
    assert problem.startswith("own: holds no prices: a header alone; each row needs accelerator, provider,")


def test_check_prints_no_line_on_offers_that_are_all_new(costmodel, written):
    assert costmodel("prices", "check", written("own.csv", {})).out == "own: 1 price is sound; newest 2024-09-17\n"


def test_dates_in_the_future_are_refused(refused, costmodel, written, monkeypatch):
    file, target = written("own.csv", {"as_of": "2026-12-01"}), written("prices.csv", {})
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1796083199")  # the last second of 2026-11-30
    expected = ["line 2: as_of: 2026-12-01 lies in the future: today is 2026-11-30"]
    assert refused("prices", "check", file) == expected
    assert refused("prices", "merge", file, "--into", target) == expected
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1796083200")
    assert costmodel("prices", "check", file).code == costmodel("prices", "merge", file, "--into", target).code == 0
    checked = json.loads(costmodel("data", "check", "prices/api", "--json").out)
    assert checked["today"] == "2026-12-01"


def test_an_unknown_region_is_a_warning_with_the_nearest_one(costmodel, written):
    file = written("own.csv", {"provider": "aws", "region": "us-east-1"}, {"provider": "aws", "region": "us-eeast-1"})
    outcome = costmodel("prices", "check", file)
    (warning,) = [line for line in outcome.out.splitlines() if line.startswith("warning: ")]
    assert outcome.code == 0 and "region 'us-eeast-1' of aws is not known" in warning
    assert warning.endswith("the nearest known one is 'us-east-1'")
    assert json.loads(costmodel("prices", "check", file, "--json").out)["unknown_regions"] == [warning[9:]]
    assert "warning" not in costmodel("prices", "check").out


@pytest.mark.parametrize("columns", ["80", "60"])
def test_a_narrow_list_keeps_price_and_day(costmodel, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    for options in ((), ("--gpu", "H100-SXM", "--all")):
        header = costmodel("prices", "list", *options).out.splitlines()[0]
        assert header.startswith("accelerator ") and " USD/GPU-hour  as of " in header


def test_merge_and_merge_again(costmodel, written):
    target, new = written("prices.csv", {}), written("new.csv", {"as_of": "2024-10-01"})
    assert costmodel("prices", "merge", new, "--into", target).out == f"1 prices added to {target}\n"
    assert costmodel("prices", "merge", new, "--into", target).out == f"0 prices added to {target}\n"
    assert [row["as_of"] for row in read_csv(target).rows] == ["2024-09-17", "2024-10-01"]


def test_merge_refuses_a_contradiction(refused, written):
    target, new = written("prices.csv", {}), written("new.csv", {"usd_per_gpu_hour": "2"})
    before = target.read_bytes()
    assert "contradicts the table" in refused("prices", "merge", new, "--into", target)[0]
    assert target.read_bytes() == before


def test_merge_into_what_cannot_be_written(refused, written, tmp_path):
    new = written("new.csv", {})
    folder = tmp_path / "prices.csv"
    folder.mkdir()
    (problem,) = refused("prices", "merge", new, "--into", folder)
    assert str(folder) in problem and "cannot be" in problem and list(folder.iterdir()) == []


def test_merge_tells_of_a_failed_write(refused, written, monkeypatch):
    target, new = written("prices.csv", {}), written("new.csv", {"as_of": "2024-10-01"})

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    (problem,) = refused("prices", "merge", new, "--into", target)
    assert problem == f"{target} cannot be written: No space left on device"


def test_merge_what_is_not_there(refused, written, tmp_path):
    target = written("prices.csv", {})
    assert "none.csv cannot be read" in refused("prices", "merge", tmp_path / "none.csv", "--into", target)[0]


def test_merge_a_table_in_other_columns(refused, written, tmp_path):
    (tmp_path / "own.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    problems = refused("prices", "merge", tmp_path / "own.csv", "--into", written("prices.csv", {}))
    assert "column" in problems[0]


@pytest.fixture
def scenario(tmp_path):
    run = cm.Scenario(
        architecture={"total": "7B"},
        recipe=cm.Pretraining(tokens="10B"),
        cluster=cm.Cluster("H100-SXM", 64),
        gpu_hours=1000,
    )
    run.save(tmp_path / "run.toml")
    return tmp_path / "run.toml"


def test_a_run_at_every_provider(costmodel, scenario):
    options = ("--on", "2026-10-01", "--provider", "aws", "--purchase-model", "on_demand")
    outcome = costmodel("prices", "everywhere", scenario, *options)
    assert outcome.code == 0 and "aws us-east-1" in outcome.out and "6.88" in outcome.out
    data = json.loads(costmodel("prices", "everywhere", scenario, *options, "--json").out)
    assert data["rows"][0]["cost"] == pytest.approx(6880)
    lines = costmodel("prices", "everywhere", scenario, *options, "--csv").out.splitlines()
    assert lines[0].startswith("provider,region,purchase_model,usd_per_gpu_hour,cost") and len(lines) == 4
    changed = costmodel("prices", "everywhere", scenario, *options, "--set", "gpu_hours=2000", "--json")
    assert json.loads(changed.out)["rows"][0]["cost"] == pytest.approx(13760)


def test_a_run_without_any_price_exits_with_3(costmodel, refused, scenario):
    outcome = costmodel("prices", "everywhere", scenario, "--provider", "aws", "--on", "2019-01-01")
    assert outcome.code == 3 and "(6.88" not in outcome.out and "no such price of H100-SXM" in outcome.err
    problems = refused("prices", "everywhere", scenario, "--json", "--csv")
    assert problems == ["--json and --csv are both given; leave one out"]
    assert refused("prices", "everywhere", scenario, "--region", "atlantis")


def test_fields_that_everywhere_replaces_are_refused(refused, costmodel, scenario):
    problems = refused(
        *("prices", "everywhere", scenario, "--set", "prices.provider=aws", "--set", "prices.purchase_model=spot"),
        *("--set", "prices.commitment=30"),
    )
    unused = "has no effect here, where each price of the table is used;"
    assert problems == [
        f"--set prices.provider: {unused} --provider keeps some of them",
        f"--set prices.purchase_model: {unused} --purchase-model keeps some of them",
        f"--set prices.commitment: {unused} leave it out",
    ]
    assert costmodel("prices", "everywhere", scenario, "--set", "prices.on=2026-09-01", "--provider", "aws").code == 0


def test_own_prices_in_an_unknown_region_are_named(costmodel, scenario, written):
    file = written("own.csv", {"region": "us-east-99", "as_of": "2026-11-01"}, {"region": "DEU", "as_of": "2026-11-01"})
    options = ("--set", f"prices.table={file}", "--region", "DE", "--provider", "lambda")
    rows = json.loads(costmodel("prices", "everywhere", scenario, *options, "--json").out)["rows"]
    offered = {row["region"]: row for row in rows if row["purchase_model"] == "on_demand"}
    assert offered["DEU"]["cost"] == pytest.approx(3990) and offered["us-east-99"]["cost"] is None
    assert offered["us-east-99"]["missing"].startswith("region 'us-east-99' of lambda is not known, so the on_demand")
    assert "regions that are not known" in costmodel("prices", "everywhere", scenario, *options).out
    named = costmodel("prices", "everywhere", scenario, *options[:2], "--region", "us-east-99", "--json")
    assert json.loads(named.out)["rows"][0]["cost"] == pytest.approx(3990)

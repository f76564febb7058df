"""The price table: validation of rows, and merging of new prices."""

import datetime as dt

import pytest

import costmodel as cm
from costmodel.foundation.tables import Table, read_csv, table
from costmodel.hardware.accelerator import accelerator_names
from costmodel.market.gpu_prices import STALE_AFTER, traced_prices
from costmodel.market.price_table import COLUMNS, as_csv, check_prices, merge_prices, stale_offers

ROW = {
    "accelerator": "H100-SXM", "provider": "lambda", "region": "us", "instance_type": "8x", "gpus_per_instance": "8",
    "purchase_model": "on_demand", "usd_per_gpu_hour": "3.99", "as_of": "2026-09-17",
    "source_url": "https://lambda.ai/pricing", "note": "",
}  # fmt: skip
PROVIDER = "the name of a provider in lower case, other than 'market'"
NAMES = list(accelerator_names())


def made(*changes):
    return Table("own", tuple({**ROW, **each} for each in changes), COLUMNS, "0")


def check(*changes, today=None):
    return check_prices(made(*changes), NAMES, today)


def test_shipped_table_is_valid():
    facts = table("gpu_prices")
    assert check_prices(facts, NAMES, dt.date.fromisoformat(facts.vintage)) == []


def test_valid_row_has_no_problems():
    assert check({}) == [] and check({"gpus_per_instance": "", "region": "", "note": "x"}) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"accelerator": "H100SXM"}, "accelerator: unknown accelerator 'H100SXM'; did you mean 'H100-SXM'"),
        ({"provider": ""}, f"provider: must be {PROVIDER}; the cell is blank"),
        ({"provider": "Lambda"}, f"provider: must be {PROVIDER}; got 'Lambda'"),
        ({"purchase_model": "spott"}, "purchase_model: unknown purchase model 'spott'; did you mean 'spot'?"),
        ({"usd_per_gpu_hour": ""}, "usd_per_gpu_hour: must be a number above 0"),
        ({"usd_per_gpu_hour": "0"}, "usd_per_gpu_hour: must be a number above 0"),
        ({"usd_per_gpu_hour": "-1"}, "usd_per_gpu_hour: must be a number above 0"),
        ({"usd_per_gpu_hour": "$3"}, "usd_per_gpu_hour: must be a number above 0"),
        ({"usd_per_gpu_hour": "nan"}, "usd_per_gpu_hour: must be a number above 0"),
        ({"usd_per_gpu_hour": "inf"}, "usd_per_gpu_hour: must be a number above 0"),
        ({"usd_per_gpu_hour": "1001"}, "at most 1000; got 1001.0"),
        ({"gpus_per_instance": "0"}, "gpus_per_instance: must be a whole number above 0"),
        ({"gpus_per_instance": "8.0"}, "gpus_per_instance: must be a whole number above 0"),
        ({"gpus_per_instance": "²"}, "gpus_per_instance: must be a whole number above 0"),
        ({"as_of": ""}, "as_of: must be a date such as 2026-09-01"),
        ({"as_of": "2026-9-1"}, "as_of: must be a date"),
        ({"as_of": "2026-02-30"}, "as_of: must be a date"),
        ({"as_of": "20260901"}, "as_of: must be a date"),
        ({"as_of": "2026-W01-1"}, "as_of: must be a date"),
        ({"source_url": "  "}, "source_url: must be an address"),
    ],
)
def test_each_kind_of_mistake_is_found(change, message):
    (problem,) = check(change)
    assert problem.startswith("line 2: ") and message in problem


def test_price_dated_in_the_future_is_refused():
    assert check({}, today=dt.date(2026, 9, 17)) == []
    (problem,) = check({}, today=dt.date(2026, 9, 16))
    assert problem == "line 2: as_of: 2026-09-17 lies in the future: today is 2026-09-16"


def test_market_is_refused_as_a_provider():
    assert len(check({"provider": "market"})) == 1


def test_blanks_around_a_provider_name_are_refused():
    assert len(check({"provider": " lambda"})) == 1


def test_the_same_offer_of_one_day_twice():
    (problem,) = check({}, {"usd_per_gpu_hour": "4", "note": "?"})
    assert problem.startswith("line 3: repeats line 2: the same accelerator, provider, purchase_model, as_of")
    assert check({}, {"region": "us2"}) == []


def test_rows_out_of_order():
    assert check({"provider": "lambda"}, {"provider": "aws"}) == [
        "own: is not sorted by accelerator, provider, purchase_model, as_of, region, instance_type, gpus_per_instance"
    ]
    assert check({"gpus_per_instance": "8"}, {"gpus_per_instance": "16"}) == []


def test_all_mistakes_are_reported_together():
    found = check({"accelerator": "X", "as_of": "x"}, {}, {"provider": "", "source_url": ""})
    assert [problem.split(": ")[:2] for problem in found] == [
        ["line 2", "accelerator"], ["line 2", "as_of"], ["line 4", "provider"], ["line 4", "source_url"],
    ]  # fmt: skip


def test_other_columns():
    (problem,) = check_prices(Table("own", (), COLUMNS[:-1], "0"), NAMES)
    assert problem.startswith("own: the columns are accelerator, provider") and "got accelerator" in problem


def test_offers_not_seen_for_a_year():
    facts = made({"as_of": "2025-01-01"}, {"provider": "aws", "as_of": "2025-01-01"}, {"provider": "aws"})
    on = dt.date(2025, 1, 1) + STALE_AFTER
    assert stale_offers(facts, on) == []
    assert stale_offers(facts, on + dt.timedelta(days=1)) == ["H100-SXM at lambda (on_demand): last seen 2025-01-01"]


@pytest.fixture
def files(tmp_path):
    target, new = tmp_path / "prices.csv", tmp_path / "new.csv"
    target.write_text(as_csv([ROW]), encoding="utf-8")

    def write(*changes):
        new.write_text(as_csv([{**ROW, **change} for change in changes]), encoding="utf-8")
        return target, new

    return write


def test_new_facts_are_appended_in_order(files):
    target, new = files({"as_of": "2026-11-01"}, {"provider": "aws", "note": 'a, "b"'})
    assert merge_prices(target, new, NAMES) == 2
    merged = read_csv(target)
    assert [(row["provider"], row["as_of"]) for row in merged.rows] == [
        ("aws", "2026-09-17"), ("lambda", "2026-09-17"), ("lambda", "2026-11-01"),
    ]  # fmt: skip
    assert check_prices(merged, NAMES) == [] and merged.rows[0]["note"] == 'a, "b"' and merged.rows[1] == ROW


def test_untraced_prices_are_merged_with_their_mark(files):
    target, new = files({"as_of": "2026-11-01", "source_url": "untraced", "note": "quoted in an unnamed survey"})
    assert merge_prices(target, new, NAMES) == 1
    merged = read_csv(target)
    assert merged.rows[1]["source_url"] == "untraced" and traced_prices(merged).rows == (ROW,)


def test_merging_again_adds_nothing(files):
    target, new = files({"as_of": "2026-11-01"}, {})
    assert merge_prices(target, new, NAMES) == 1
    content = target.read_bytes()
    assert merge_prices(target, new, NAMES) == 0
    assert target.read_bytes() == content


def test_equal_price_in_another_notation_is_accepted(files):
    target, new = files({"usd_per_gpu_hour": "3.990"})
    assert merge_prices(target, new, NAMES) == 0
    assert read_csv(target).rows == (ROW,)


def test_a_contradiction_is_refused_and_nothing_is_written(files):
    target, new = files({"usd_per_gpu_hour": "2.99"}, {"as_of": "2026-11-01"})
    before = target.read_bytes()
    with pytest.raises(cm.InputError, match=r"line 2: contradicts the table, which has 3.99 USD/hour .* not 2.99"):
        merge_prices(target, new, NAMES)
    assert target.read_bytes() == before


def test_invalid_file_is_refused_with_all_problems(files):
    target, new = files({"usd_per_gpu_hour": "2.99"}, {"as_of": "x"}, {"accelerator": "Y", "source_url": ""})
    before = target.read_bytes()
    with pytest.raises(cm.InputError) as raised:
        merge_prices(target, new, NAMES)
    assert len(raised.value.problems) == 4 and target.read_bytes() == before


def test_a_new_file_in_other_columns_is_refused(files):
    target, new = files({})
    new.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(cm.InputError, match="column"):
        merge_prices(target, new, NAMES)


def test_a_target_in_other_columns_is_refused(files):
    target, new = files({})
    target.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(cm.InputError, match="column"):
        merge_prices(target, new, NAMES)
    assert target.read_text(encoding="utf-8") == "a,b\n1,2\n"


def test_unreadable_files_are_refused(files, tmp_path):
    target, new = files({})
    for pair in ((target, tmp_path / "none.csv"), (tmp_path / "none.csv", new), (tmp_path, new)):
        with pytest.raises(cm.InputError, match="cannot be read"):
            merge_prices(*pair, NAMES)


def test_the_shipped_table_merges_into_itself(tmp_path):
    target = tmp_path / "gpu_prices.csv"
    target.write_text(as_csv(table("gpu_prices").rows), encoding="utf-8")
    assert merge_prices(target, target, NAMES) == 0
    assert read_csv(target).rows == table("gpu_prices").rows

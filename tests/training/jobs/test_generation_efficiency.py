"""MFU of accelerators without a step-time model, fitted on published throughput."""

import math

import pytest

import costmodel as cm
from costmodel.foundation.arrays import logit
from costmodel.foundation.tables import Row, Table, read_csv, table
from costmodel.hardware.accelerator import load_accelerator
from costmodel.refit.generation_efficiency import efficiency_rows
from costmodel.training.jobs.generation_efficiency import (
    TABLE,
    Features,
    class_mfu,
    efficiency_row,
    fit_efficiency,
    interval,
    is_measured,
)
from costmodel.training.jobs.throughput import READER, THROUGHPUT, runs_in_eight_bits
from costmodel.training.jobs.throughput import TABLE as ROWS

COLUMNS = (*THROUGHPUT.columns, "source", "note")


@pytest.fixture(scope="module")
def rows():
    read, skipped = READER.used(table(ROWS))
    assert not skipped
    return read


def one(**cells) -> Row:
    known = {"id": "a", "group": "g", "model": "m", "accelerator": "TPU-v4", "precision": "bf16"}
    return {**dict.fromkeys(COLUMNS, ""), **known, "sequence_length": "2048", **cells}


def read(*listed):
    return READER.used(Table("rows", tuple(listed), COLUMNS, ""))


def test_rows_cover_generations_of_five_vendors(rows):
    assert len(rows) >= 30
    assert len({row.accelerator.generation for row in rows}) >= 6
    assert {row.accelerator.vendor for row in rows} == {"Google", "AMD", "AWS", "Intel", "Huawei"}
    assert all(0.1 < row.mfu < 0.9 for row in rows)


def test_no_row_comes_from_a_source_that_is_kept_for_scores():
    sources = " ".join(row["source"].lower() for row in table(ROWS).rows)
    for kept in ("tiering", "tpu-recipes", "training_results", "nanochat"):
        assert kept not in sources


def test_rates_in_all_forms_give_the_same_mfu():
    """7e9 parameters and 4,000 tokens per second of a TPU v4: 6 x 7e9 x 4000 / 275e12 = 0.611."""
    given = {"parameters": "7e9"}
    (by_rate, by_step, by_flops, by_mfu), _ = read(
        one(**given, tokens_per_second_per_gpu="4000"),
        one(**given, step_time="2", batch_tokens="64000", count="8"),
        one(**given, tflops_per_gpu="168"),
        one(**given, mfu=str(168 / 275)),
    )
    assert by_rate.mfu == pytest.approx(6 * 7e9 * 4000 / 275e12)
    for other in (by_step, by_flops, by_mfu):
        assert other.mfu == pytest.approx(by_rate.mfu)


def test_full_attention_is_counted_down_to_causal_attention():
    shape = {"parameters": "32e9", "n_layers": "32", "attention_width": "8192", "tflops_per_gpu": "156"}
    (causal, full), _ = read(one(**shape, flop_convention="model_causal"), one(**shape, flop_convention="model_full"))
    attention = 12 * 32 * 8192 * 2048
    assert full.mfu / causal.mfu == pytest.approx((6 * 32e9 + attention / 2) / (6 * 32e9 + attention), rel=1e-3)


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        ({}, "architecture or parameters"),
        ({"parameters": "7e9"}, "neither tokens_per_second_per_gpu"),
        ({"parameters": "7e9", "step_time": "2"}, "batch_tokens is not given"),
        ({"parameters": "7e9", "tokens_per_second_per_gpu": "40000"}, "MFU must be below 1"),
        ({"parameters": "7e9", "tflops_per_gpu": "100", "flop_convention": "half"}, "unknown word 'half'"),
        ({"parameters": "7e9", "tflops_per_gpu": "100", "accelerator": "TPU-v99"}, "unknown accelerator"),
    ],
)
def test_a_row_that_cannot_be_read_says_why(cells, problem):
    used, skipped = read(one(**cells))
    assert not used
    assert problem in next(iter(skipped.values()))


def test_shipped_efficiencies_equal_the_fit(rows):
    assert efficiency_rows(rows) == list(table(TABLE).rows)


def test_a_fit_without_rows_of_a_generation_is_wider(rows):
    fitted = fit_efficiency(rows)
    spread = {
        name: fitted.predict(Features(vendor, generation, "", "", 0.0, 0.0, 0.0))[1]
        for name, vendor, generation in (("known", "Google", "tpu-v5"), ("vendor", "Google", "x"), ("new", "x", "x"))
    }
    assert spread["known"] < spread["vendor"] < spread["new"]


def test_many_rows_of_one_source_count_little_more_than_one(rows):
    """34 rows of one publisher share its tuning: they leave the spread between sources."""
    single = [row for row in rows if row.group == "MaxText" and row.accelerator.name == "TPU-v5p"]
    target = Features("Google", "tpu-v5", "TPU-v5p", "", 0.0, 0.0, 0.0)
    _, many = fit_efficiency(single).predict(target)
    _, one_row = fit_efficiency(single[:1]).predict(target)
    assert many > 0.4
    assert many < one_row


def test_smaller_models_and_mixtures_are_less_efficient_and_eight_bits_are_faster(rows):
    fitted = fit_efficiency(rows)
    base = Features("AMD", "cdna3", "MI325X", "", 0.0, 0.0, 0.0)
    center = fitted.predict(base)[0]
    assert fitted.predict(base._replace(smaller=-2.0))[0] < center
    assert fitted.predict(base._replace(moe=1.0))[0] < center
    assert fitted.predict(base._replace(eight_bit=1.0))[0] > center
    assert fitted.predict(base._replace(smaller=-2.0))[0] == pytest.approx(center - 2 * fitted.smaller)


@pytest.mark.parametrize(
    ("name", "scope"),
    [
        ("TPU-v5p", "accelerator"), ("MI355X", "accelerator"), ("Gaudi3", "generation"), ("Trainium3", "generation"),
        ("TPU-v7", "vendor"), ("MI100", "vendor"), ("Max-1550", "vendor"), ("Maia-100", "all"), ("MTIA-v2", "all"),
    ],
)  # fmt: skip
def test_the_nearest_scope_with_rows_counts(name, scope):
    accelerator = load_accelerator(name)
    assert efficiency_row(False, accelerator)["scope"] == scope
    assert is_measured(accelerator) == (scope in {"accelerator", "generation"})


def test_intervals_of_other_levels_and_sizes():
    row = efficiency_row(False, load_accelerator("TPU-v4"))
    assert interval(row, 1e12, 0.8) == pytest.approx((float(row["low"]), float(row["high"])))
    wide, narrow = interval(row, 1e12, 0.95), interval(row, 1e12, 0.5)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]
    small = interval(row, 2e9, 0.8)
    shift = float(row["smaller"]) * math.log(2e9 / 2e10)
    assert logit(small[0]) - logit(float(row["low"])) == pytest.approx(shift)


def test_eight_bits_need_a_higher_peak():
    assert runs_in_eight_bits(load_accelerator("Gaudi2"), "fp8")
    assert not runs_in_eight_bits(load_accelerator("TPU-v5p"), "fp8")
    assert not runs_in_eight_bits(load_accelerator("Max-1550"), "fp8")
    model = cm.load_architecture("llama-2-70b")
    gaudi = load_accelerator("Gaudi2")
    assert class_mfu(model, gaudi, True).value > class_mfu(model, gaudi, False).value


def test_estimates_say_what_their_mfu_rests_on():
    def printed(gpu):
        return str(cm.estimate(cm.Scenario("llama-3.1-8b", cm.Pretraining(tokens="1T"), cm.Cluster(gpu, 64))))

    assert "efficiency of generation tpu-v5, TPU-v5p from 19 published rows (2 sources)" in printed("TPU-v5p")
    assert "efficiency of generation gaudi from 6 published rows (2 sources)" in printed("Gaudi3")
    assert "no measurement of generation tpu-v7; wide interval" in printed("TPU-v7")


def test_the_speed_of_generations_differs():
    """Published: 692 tokens/s per chip for Llama-2-70B on 512 TPU v5p, from a source outside the fit."""
    recipe = cm.Pretraining(tokens="1T", sequence_length=4096)
    est = cm.estimate(cm.Scenario("llama-2-70b", recipe, cm.Cluster("TPU-v5p", 512)))
    assert est.value("tokens_per_second_per_gpu") == pytest.approx(692, rel=0.15)
    low, high = est.bounds("tokens_per_second_per_gpu")
    assert low < 692 < high


def test_nvidia_accelerators_keep_the_default_of_published_runs():
    counts = cm.Architecture.from_counts("7B")
    assert "published_runs" in class_mfu(counts, load_accelerator("H100-SXM"), False).provenance.source
    assert "no measurement" in class_mfu(counts, load_accelerator("T4"), False).provenance.note


def test_the_table_can_be_read_from_a_file(root, rows):
    again, _ = READER.used(read_csv(root / "data" / f"{ROWS}.csv"))
    assert again == rows

"""Score of the planner on MLPerf Training results."""

import json

import pytest

from costmodel.foundation.errors import InputError
from costmodel.foundation.tables import Table, read_csv, table
from costmodel.validation.mlperf import FORWARD_SHARE, NEEDED, WORKLOADS, validate_mlperf

RESULT = {
    "round": "mlp50", "org": "NVIDIA", "system": "eos", "bench": "gpt3", "n_accel": "512", "minutes": "50.7",
    "params": json.dumps({"global_batch_size": 2048}), "tokens_to_target_mean": "1.208e9", "accelerator": "H100-SXM",
}  # fmt: skip


def scored(*rows):
    return validate_mlperf(Table("results", rows, NEEDED, ""))


def test_training_and_evaluation_are_kept_apart():
    """GPT-3: 24 evaluations of 5,122 sequences, each a third of the FLOPs of training: 6.9 % of the training time."""
    row = scored(RESULT)["rows"][0]
    assert row["predicted"] == pytest.approx(row["training"] + row["evaluation"])
    assert row["evaluation"] / row["training"] == pytest.approx(5122 / 24576 / 3)
    assert row["low"] < row["predicted"] < row["high"]
    assert {"pretraining": pytest.approx(1 / 3), "lora": pytest.approx(1 / 2)} == FORWARD_SHARE


def test_time_is_proportional_to_the_tokens_to_the_target():
    once, twice = scored(RESULT, {**RESULT, "tokens_to_target_mean": "2.416e9"})["rows"]
    assert twice["predicted"] == pytest.approx(2 * once["predicted"], rel=1e-3)


def test_a_short_run_has_at_least_one_evaluation():
    row = scored({**RESULT, "tokens_to_target_mean": "1e7"})["rows"][0]
    assert row["evaluation"] > row["training"] * 5122 / 24576 / 3 * 1.5


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"bench": "bert"}, "bert: the tokens to the target are not known"),
        ({"tokens_to_target_mean": ""}, "tokens to the target are not known"),
        ({"accelerator": ""}, "accelerator is not known"),
        ({"n_accel": "1"}, "fit"),
        ({"params": "{"}, "Expecting property name"),
        ({"params": "{}"}, "params: global_batch_size is missing"),
    ],
)
def test_results_that_cannot_be_predicted_say_why(changes, reason):
    result = scored({**RESULT, **changes})
    assert result["scored"] == 0 and result["ratios"] == {}
    assert reason in result["rows"][0]["skipped"]


def test_missing_columns_are_errors():
    with pytest.raises(InputError, match="the column 'bench' is missing"):
        validate_mlperf(Table("results", (), tuple(name for name in NEEDED if name != "bench"), ""))


def test_ratios_are_given_by_workload_and_by_machine():
    tpu = {**RESULT, "accelerator": "TPU-v6e", "n_accel": "1024", "minutes": "49.8"}
    ratios = scored(RESULT, tpu)["ratios"]
    assert set(ratios) == {"gpt3 on H100-SXM", "gpt3 on TPU-v6e", "pretraining on H100-SXM"}
    assert {row["workload"] for row in table(WORKLOADS).rows} == {"gpt3", "llama31_405b", "llama2_70b_lora"}


def test_published_results_are_met_by_machine(shared, root):
    """Median ratio of predicted and measured time of NVIDIA pretraining within 15 % on each machine."""
    result = validate_mlperf(read_csv(shared / "measurements" / "mlperf.csv"))
    machines = {name: ratio for name, ratio in result["ratios"].items() if name.startswith("pretraining on")}
    assert len(machines) >= 4
    assert all(0.84 <= ratio <= 1.16 for ratio in machines.values())
    text = (root / "docs" / "accuracy.md").read_text(encoding="utf-8")
    for name, ratio in result["ratios"].items():
        if " on " in name and not name.startswith("pretraining"):
            workload, machine = name.split(" on ")
            assert f"| {workload} | {machine} | {result['families'][name]['scored']} | {ratio:.2f} |" in text

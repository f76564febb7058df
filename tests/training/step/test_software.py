"""The field `software` of recipes: names, years, kernels and intervals."""

import math
import re

import pytest

import costmodel as cm
from costmodel.foundation.tables import table
from costmodel.training.step.efficiency import default_efficiency
from costmodel.training.step.features import PLAIN
from costmodel.training.step.software import UNKNOWN, load_software, software_names

LAYOUT = cm.Layout(data=64, zero=3, recompute="full")


def run(software=None, **changes):
    recipe = cm.Pretraining(tokens="1T", sequence_length=8192, batch_size=256, software=software)
    fields = {"architecture": "llama-3.1-8b", "recipe": recipe, "cluster": cm.Cluster("H100-SXM", 64), "layout": LAYOUT}
    return cm.Scenario(**{**fields, **changes})


def half_width(scenario):
    low, high = cm.estimate(scenario).bounds("step_time")
    return math.sqrt(high / low)


@pytest.mark.parametrize("name", ["torchtitan", "HF Trainer", "megatron lm", "FSDP2", "llm.c", "NeMo AutoModel"])
def test_software_is_found_by_name_and_alias(name):
    assert load_software(name).name in software_names()


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(cm.InputError, match=r"software.*torchtitn.*torchtitan"):
        run("torchtitn")


@pytest.mark.parametrize("value", [3, ["torchtitan"], True])
def test_a_value_that_is_no_name_is_refused(value):
    with pytest.raises(cm.InputError, match="software"):
        cm.Pretraining(tokens="1T", software=value)


def test_a_year_is_part_of_the_name_and_selects_the_attention_kernel():
    old, new = (cm.Pretraining(tokens="1T", software=f"megatron {year}") for year in (2021, 2025))
    assert (old.software, new.software) == ("Megatron-LM 2021", "Megatron-LM 2025")
    assert old.trainer.year == 2021.5
    slow, fast = (cm.estimate(run(f"Megatron-LM {year}")) for year in (2021, 2025))
    assert slow.layout.attention == "unfused" and fast.layout.attention == "latest"
    assert slow.value("step_time") > 1.1 * fast.value("step_time")


def test_software_survives_a_file(tmp_path):
    scenario = run("nanochat 2026")
    scenario.save(tmp_path / "run.toml")
    assert cm.Scenario.load(tmp_path / "run.toml") == scenario


def test_software_never_seen_has_the_interval_of_software_left_out():
    known, unknown = half_width(run("torchtitan")), half_width(run())
    assert known < 1.35 < unknown < 1.6
    assert half_width(run("axolotl")) == pytest.approx(half_width(run("eager")), rel=1e-3)  # named, but not measured
    spreads = default_efficiency().spreads
    total = math.hypot(spreads["dense"], spreads[f"software:{UNKNOWN}"])
    assert unknown == pytest.approx(math.exp(1.2816 * total), rel=0.03)


def test_software_that_is_not_known_is_said():
    assert "software left out of the fit (set recipe.software)" in str(cm.estimate(run()))
    assert "software left out of the fit: no steps of axolotl were measured" in "\n".join(
        cm.estimate(run("axolotl")).notes()
    )
    assert "software left out of the fit" not in str(cm.estimate(run("torchtitan")))


def test_eager_software_makes_the_layout_eager_unless_the_layout_says_otherwise():
    recipe = cm.LoRA(tokens="20M", batch_size=64, software="HF Trainer")
    cluster = cm.Cluster("A100-80GB-SXM", 8)
    assert cm.step_time("llama-3.1-8b", cluster, recipe, cm.Layout(data=8)).layout.eager
    assert not cm.step_time("llama-3.1-8b", cluster, recipe, cm.Layout(data=8, eager=False)).layout.eager


def test_every_measured_software_has_a_factor_or_is_part_of_a_fit():
    constants = {row["name"] for row in table("fitted/software_efficiency").rows if row["kind"] == "spread"}
    measured = {row["name"] for row in table("facts/software").rows if row["measured_in"]}
    assert {f"software:{name}" for name in measured | {UNKNOWN}} == constants


def test_engines_that_shard_cast_adapters_to_16_bits():
    recipe = cm.LoRA(tokens="20M", sequence_length=2048, batch_size=64, rank=64, software="eager")
    cluster = cm.Cluster("A100-80GB-SXM", 8)
    plain, sharded = (
        cm.step_time("llama-2-7b", cluster, recipe, cm.Layout(data=8, zero=zero, micro_batch=4)).si.breakdown.adapters
        for zero in (0, 2)
    )
    assert 0.5 < sharded / plain < 0.6


@pytest.mark.parametrize(("name", "year"), [("torchtitan", 2031), ("axolotl", 1990), ("eager", 2017), ("fused", 2028)])
def test_a_year_of_no_software_is_refused(name, year):
    """The oldest stack is of November 2018, the newest measured of 2026."""
    message = f"software: the year of {name} must be from 2018 to 2027; got '{name} {year}'"
    with pytest.raises(cm.InputError, match=message):
        cm.Pretraining(tokens="1T", software=f"{name} {year}")
    for accepted in (2018, 2027):
        assert load_software(f"{name} {accepted}").year == accepted + 0.5


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("2025", "fused 2025"),
        ("megatron", "Megatron-LM"),
        ("megatron 2025, token_drop=true, dispatcher = DeepEP", "Megatron-LM 2025, dispatcher deepep, token_drop yes"),
        ({"name": "megatron", "year": 2025, "a2a_overlap": "1f1b"}, "Megatron-LM 2025, a2a_overlap 1f1b"),
        ({"name": "megatron", "year": None, "token_drop": False}, "Megatron-LM, token_drop no"),
        ({"year": 2025, "fused_grouped_mlp": True}, "fused 2025, fused_grouped_mlp yes"),
        ({}, "fused"),
    ],
)
def test_text_and_mapping_become_the_same_text(given, text, tmp_path):
    scenario = run(given)
    assert scenario.recipe.software == text == load_software(text).text
    scenario.save(tmp_path / "run.toml")
    assert cm.Scenario.load(tmp_path / "run.toml") == scenario


def test_semicolons_separate_features_where_commas_separate_values():
    swept = "Megatron-LM; dispatcher deepep; a2a_overlap none"
    assert load_software(swept) == load_software(swept.replace(";", ","))


@pytest.mark.parametrize(
    ("given", "problems"),
    [
        (
            "torchtitn 2025, dispatcher deep, speed high",
            ["'torchtitn'; did you mean 'torchtitan'", "dispatcher must be one of .* got 'deep'", "feature .* 'speed'"],
        ),
        (
            {"name": "torchtitan", "year": 1990, "token_drop": "maybe", "fast": True},
            ["field of software 'fast'", "year of torchtitan must be from 2018", "token_drop must be one of yes, no"],
        ),
    ],
)
def test_every_problem_of_the_software_is_in_one_error(given, problems):
    with pytest.raises(cm.InputError) as raised:
        cm.Pretraining(tokens="1T", software=given)
    assert len(raised.value.problems) == len(problems)
    for found, problem in zip(raised.value.problems, problems, strict=True):
        assert found.startswith("software: ") and re.search(problem, found)


def test_a_plan_assumes_software_without_a_name():
    planned = load_software("Megatron-LM 2026, dispatcher deepep").planned
    assert planned.text == "fused 2026, dispatcher deepep" and not planned.is_measured
    plain = load_software("HF Trainer").planned
    assert plain.features == PLAIN and plain.kernels == "eager"
    assert load_software("eager").planned.kernels == "eager"


def test_features_decide_the_speed_of_mixtures_of_experts_alone():
    def seconds(architecture, software):
        recipe = cm.Pretraining(tokens="1T", sequence_length=4096, batch_size=512, software=software)
        layout = cm.Layout(data=64, expert=8 if architecture.startswith("qwen3-30b") else 1, zero=1, recompute="full")
        return cm.step_time(architecture, cm.Cluster("H100-SXM", 64), recipe, layout).seconds

    slow, fast = (f"Megatron-LM 2025, dispatcher {name}" for name in ("alltoall", "deepep"))
    assert seconds("qwen3-30b-a3b", fast) < seconds("qwen3-30b-a3b", slow)
    assert seconds("llama-3.1-8b", fast) == seconds("llama-3.1-8b", slow)

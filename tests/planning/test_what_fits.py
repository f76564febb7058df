"""What fits: known cases, limits, order of rows, and invalid arguments."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import costmodel as cm
from costmodel.foundation.units import GIB
from costmodel.hardware.accelerator import Accelerator
from costmodel.planning.limits import STEP, largest_micro_batch, largest_model, longest_sequence, planned
from costmodel.planning.what_fits import what_fits
from costmodel.training.layouts.fitting import TooLargeError
from costmodel.training.recipes.finetuning import FullFineTuning, LoRA, QLoRA
from costmodel.training.recipes.preference import DPO
from costmodel.training.recipes.reinforcement import GRPO
from costmodel.training.step.memory import memory

MODEL = "llama-3.1-8b"
SHAPE = cm.load_architecture(MODEL)
QUANTIZED = QLoRA(tokens="20M")
LAMBDA = cm.Rental(provider="lambda")
"""Prices of a named provider have no proxy, and lambda rents no H20."""
WHOLE = FullFineTuning(tokens="20M")


def keys(fits):
    return {(row.accelerator, row.count, row.kind) for row in fits.possible}


def card(gigabytes, generation="ada"):
    return Accelerator(
        f"card-{gigabytes:g}",
        generation=generation,
        bf16=165,
        memory=gigabytes,
        memory_bandwidth=1008,
        link_bandwidth=32,
        tdp=450,
    )


@pytest.fixture(scope="module")
def catalog():
    return what_fits(MODEL, QUANTIZED)


def test_qlora_of_8b_model_fits_on_24_gb_gpu():
    (row,) = what_fits(MODEL, QUANTIZED, accelerator="RTX-4090", count=1).possible
    usable = cm.load_accelerator("RTX-4090").usable_memory
    assert 5 * GIB < row.memory.to("byte").magnitude < usable
    assert (row.headroom + row.memory).to("byte").magnitude == pytest.approx(usable)
    assert 0.5 < row.wall_time.to("hour").magnitude < 10
    assert 0.2 < row.cost.magnitude < 10


def test_full_fine_tuning_of_8b_model_offloads_on_one_80_gb_gpu():
    fits = what_fits(MODEL, WHOLE, accelerator="H100-SXM", count=(1, 8))
    offloaded = {row.count: row.layout.offload_optimizer for row in fits.possible}
    assert offloaded == {1: True, 8: False}, "16 bytes for each of 8e9 parameters are 120 GiB"


def test_full_fine_tuning_of_70b_model_needs_more_than_one_80_gb_gpu():
    fits = what_fits("llama-3.1-70b", WHOLE, accelerator="H100-SXM", count=(1, 64))
    assert [row.count for row in fits.possible] == [64]
    (rejected,) = fits.rejected
    assert rejected.reason.startswith("memory: ")
    assert "of 79 GiB; the smallest needs 1" in rejected.reason, "16 bytes for each of 71e9 parameters are 1050 GiB"
    assert rejected.memory is None and rejected.cost is None


def test_default_recipes_are_full_fine_tuning_lora_and_qlora():
    fits = what_fits("llama-2-13b", accelerator="RTX-4090", count=1, tokens="20M")
    assert {row.kind for row in fits.possible} == {"lora", "qlora"}
    assert [row.kind for row in fits.rejected] == ["full_fine_tuning"]
    per_million = what_fits("llama-2-13b", accelerator="RTX-4090", count=1)
    assert fits.cheapest.cost.magnitude == pytest.approx(20 * per_million.cheapest.cost.magnitude, rel=1e-6)


def test_row_matches_estimate_of_its_scenario(catalog):
    for row in catalog.possible[::29]:
        est = cm.estimate(row.scenario)
        assert row.wall_time == est.wall_time
        assert row.cost is None or row.cost == est.cost
        if est.layout is not None:
            assert row.memory == est.memory
            assert row.layout == est.layout


def test_every_accelerator_and_count_has_a_row(catalog):
    expected = {(row["name"], count) for row in cm.accelerators() for count in (1, 2, 4, 8)}
    rows = catalog.rows()
    assert {(row["accelerator"], row["count"]) for row in rows} == expected
    assert len(rows) == len(expected)
    assert all(row["fits"] == (row["reason"] == "") for row in rows)
    assert [row["fits"] for row in rows] == sorted((row["fits"] for row in rows), reverse=True)


def test_rows_are_in_order_of_cost_with_unknown_costs_last(catalog):
    costs = [row.cost for row in catalog.possible]
    known_costs = [cost for cost in costs if cost is not None]
    assert costs[: len(known_costs)] == sorted(known_costs)
    at_lambda = what_fits(MODEL, QUANTIZED, accelerator=["H20", "H100-SXM"], count=1, prices=LAMBDA).possible
    assert [(row.accelerator, row.cost is None) for row in at_lambda] == [("H100-SXM", False), ("H20", True)]
    assert catalog.best.cost == catalog.cheapest.cost == known_costs[0]
    assert catalog.fastest.wall_time == min(row.wall_time for row in catalog.possible)


def test_wall_time_is_known_without_a_price():
    (row,) = what_fits(MODEL, QUANTIZED, accelerator="H20", count=1, prices=LAMBDA).possible
    assert row.cost is None and row.wall_time.magnitude > 0
    assert "cost unknown" in row.notes
    with pytest.raises(cm.MissingFactError, match="cost of every row that fits is unknown"):
        _ = what_fits(MODEL, QUANTIZED, accelerator="H20", count=1, prices=LAMBDA).cheapest
    (row,) = what_fits(MODEL, QUANTIZED, accelerator="H20", count=1).possible
    assert row.cost.magnitude > 0 and "proxy from" in " ".join(row.notes)


def test_memory_is_checked_without_step_time_model():
    fits = what_fits(MODEL, QUANTIZED, accelerator=["MI300X", "TPU-v5e"], count=1)
    assert all("time by class of accelerator" in row.notes for row in fits.possible)
    whole = what_fits("llama-2-13b", WHOLE, accelerator=["MI300X", "TPU-v5e"], count=1)
    assert [row.accelerator for row in whole.possible] == ["MI300X"]
    assert whole.rejected[0].reason.startswith("memory: ")


def test_unknown_memory_and_unsupported_precision_are_reasons():
    fits = what_fits(MODEL, LoRA(tokens="1M", precision="fp8"), accelerator=["MTIA-v2", "A100-80GB-SXM"], count=1)
    reasons = {row.accelerator: row.reason for row in fits.rejected}
    assert reasons["MTIA-v2"] == (
        "accelerator: the memory of MTIA-v2 is unknown; set it: load_accelerator('MTIA-v2').replace(memory=80)"
    )
    assert reasons["A100-80GB-SXM"].startswith("precision: no dense fp8 peak")
    with pytest.raises(cm.InputError, match=r"nothing fits: 1 by accelerator \(the memory .*\), 1 by precision \("):
        _ = fits.best


def test_common_reason_is_reported_with_its_message():
    fits = what_fits("bert-base", GRPO(tokens="1M", sequence_length=512), accelerator="H100-SXM")
    assert "4 by architecture (must be a decoder with an output head to generate tokens; got bert-base" in str(fits)


@pytest.mark.parametrize(
    ("limit", "figure", "unit"),
    [("budget", "cost", "USD"), ("carbon", "carbon", "kg"), ("deadline", "wall_time", "day")],
)
def test_limits_keep_exactly_the_rows_within_them(catalog, limit, figure, unit):
    values = sorted(value for row in catalog.possible if (value := getattr(row, figure)) is not None)
    edge = values[len(values) // 2]
    fits = what_fits(MODEL, QUANTIZED, **{limit: edge.to(unit).magnitude * (1 + 1e-9)})
    expected = {
        (row.accelerator, row.count)
        for row in catalog.possible
        if getattr(row, figure) is not None and getattr(row, figure) <= edge * (1 + 1e-12)
    }
    assert {(row.accelerator, row.count) for row in fits.possible} == expected
    assert any(f"{limit}: " in row.reason for row in fits.rejected)


def test_all_constraint_violations_are_reported():
    limits = {"budget": "0.01 USD", "carbon": "0.001 kg", "deadline": "60 s"}
    (row,) = what_fits(MODEL, QUANTIZED, accelerator="RTX-4090", count=1, **limits).rejected
    assert all(f"{name}: " in row.reason for name in limits)
    assert "is above the 0.0100 USD given" in row.reason and "is above the 1.00 minutes given" in row.reason
    assert row.cost.magnitude > 0.01 and row.memory.to("GiB").magnitude < 24, "rejected rows have their figures"


def test_unknown_figure_violates_its_limit():
    (row,) = what_fits(MODEL, QUANTIZED, accelerator="H20", count=1, budget="1 MUSD", prices=LAMBDA).rejected
    assert row.reason.startswith("budget: cost is unknown")


def test_memory_limit_selects_accelerators():
    fits = what_fits(MODEL, QUANTIZED, memory="24 GB")
    assert "RTX-4090" in {row.accelerator for row in fits.possible}
    assert all(row.scenario.cluster.accelerator.memory <= 24 for row in fits.possible)
    reasons = {row.accelerator: row.reason for row in fits.rejected}
    assert reasons["H100-SXM"] == "accelerator: its 80 GB are above the 24 GB given"


@settings(max_examples=8, deadline=None)
@given(st.floats(10, 100), st.floats(1, 200))
def test_higher_memory_limit_never_has_fewer_rows(limit, more):
    names = ["RTX-2080-Ti", "T4", "RTX-4090", "RTX-5090", "L40S", "A100-80GB-SXM", "H200-SXM"]
    low, high = (what_fits(MODEL, accelerator=names, count=1, memory=value) for value in (limit, limit + more))
    assert keys(low) <= keys(high)


@settings(max_examples=15, deadline=None)
@given(st.floats(8, 300), st.floats(1.0, 3.0), st.sampled_from((1, 2, 8)), st.sampled_from(("ada", "unknown")))
def test_more_memory_never_makes_a_model_infeasible(gigabytes, factor, count, generation):
    small, large = (
        what_fits(MODEL, accelerator=card(value, generation), count=count) for value in (gigabytes, gigabytes * factor)
    )
    assert {row.kind for row in small.possible} <= {row.kind for row in large.possible}
    assert all(row.memory.to("GiB").magnitude <= row.scenario.cluster.accelerator.memory for row in small.possible)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 127), st.integers(1, 127), st.sampled_from((1, 4)), st.floats(10, 160))
def test_longer_sequences_never_fit_where_shorter_do_not(first, second, count, gigabytes):
    short, long = (
        what_fits(
            MODEL,
            [kind(tokens="1M", sequence_length=STEP * length) for kind in (FullFineTuning, LoRA, QLoRA)],
            accelerator=card(gigabytes),
            count=count,
        )
        for length in (min(first, second), max(first, second))
    )
    assert {row.kind for row in long.possible} <= {row.kind for row in short.possible}


@pytest.mark.parametrize(
    ("recipe", "name", "count"),
    [
        (QUANTIZED, "RTX-4090", 1),
        (QUANTIZED, "H100-SXM", 8),
        (WHOLE, "H100-SXM", 8),
        (WHOLE, "MI300X", 1),
        (cm.Pretraining(tokens="20B"), "H100-SXM", 8),
    ],
)
def test_longest_sequence_fits_and_the_next_does_not(recipe, name, count):
    cluster = cm.Cluster(name, count)
    length = longest_sequence(MODEL, recipe, cluster)
    assert length % STEP == 0
    planned(SHAPE, recipe.replace(sequence_length=length), cluster)
    with pytest.raises(TooLargeError):
        planned(SHAPE, recipe.replace(sequence_length=length + STEP), cluster)
    assert len(what_fits(MODEL, recipe.replace(sequence_length=length), accelerator=name, count=count)) == 1
    assert len(what_fits(MODEL, recipe.replace(sequence_length=length + STEP), accelerator=name, count=count)) == 0


@pytest.mark.parametrize(("recipe", "name", "count"), [(QUANTIZED, "RTX-4090", 1), (WHOLE, "H100-SXM", 8)])
def test_largest_micro_batch_fits_and_the_next_does_not(recipe, name, count):
    cluster = cm.Cluster(name, count)
    sequences = largest_micro_batch(MODEL, recipe, cluster)
    inputs, chosen = planned(SHAPE, recipe, cluster)

    def least(micro_batch):
        tried = [
            chosen.layout._replace(micro_batch=micro_batch, recompute=2.0, interleave=1.0, zero=zero)
            for zero in ((1.0, 2.0, 3.0) if count > 1 else (1.0,))
        ]
        return min(
            memory(inputs.work, inputs.numerics, 2 * micro_batch * layout.data, layout).total for layout in tried
        )

    assert least(sequences) <= inputs.available_memory < least(sequences + 1)
    assert sequences >= chosen.layout.micro_batch


def test_largest_micro_batch_decreases_with_sequence_length():
    cluster = cm.Cluster("A100-80GB-SXM", 1)
    recipes = [QLoRA(tokens="1M", sequence_length=length) for length in (512, 2048, 8192)]
    batches = [largest_micro_batch(MODEL, recipe, cluster) for recipe in recipes]
    assert batches == sorted(batches, reverse=True)
    assert batches[0] >= 4 * batches[1] > 0


def test_longest_sequence_assumes_full_sequences():
    cluster = cm.Cluster("RTX-4090", 1)
    padded = QLoRA(examples=1000, lengths=300, packing=False)
    assert longest_sequence(MODEL, padded, cluster) == longest_sequence(MODEL, QUANTIZED, cluster)


def test_longest_sequence_includes_prompts():
    short, long = (GRPO(tokens="1M", rank=16, prompt_length=value) for value in (0, 2000))
    cluster = cm.Cluster("H100-SXM", 1)
    assert longest_sequence(MODEL, long, cluster) == longest_sequence(MODEL, short, cluster) > 2000


def test_largest_model_lists_feasible_models_in_order_of_size():
    names = largest_model(QUANTIZED, cm.Cluster("RTX-4090", 1))
    sizes = [cm.load_architecture(name).parameters.total for name in names]
    assert sizes == sorted(sizes, reverse=True)
    assert MODEL in names and "llama-3.1-405b" not in names
    assert 100e9 < sizes[0] < 400e9, "half a byte per parameter, in host memory"


def test_default_models_are_the_catalog():
    fits = what_fits(None, QUANTIZED, accelerator="RTX-4090", count=1)
    assert [row.architecture.name for row in fits.possible] == largest_model(QUANTIZED, cm.Cluster("RTX-4090", 1))
    assert fits.best.architecture.parameters.total >= max(row.architecture.parameters.total for row in fits.possible)


def test_given_prices_and_site_are_used():
    given = what_fits(
        MODEL,
        QUANTIZED,
        accelerator="H100-SXM",
        count=8,
        prices=cm.Rental(price=2.0),
        site=cm.Site(grid_intensity=0.1, pue=1.0),
    ).best
    assert given.cost.magnitude == pytest.approx(given.wall_time.to("hour").magnitude * 8 * 2.0)
    dirty = what_fits(MODEL, QUANTIZED, accelerator="H100-SXM", count=8, site={"grid_intensity": 0.2, "pue": 1.0}).best
    assert dirty.carbon.magnitude == pytest.approx(2 * given.carbon.magnitude)


def test_intervals_contain_the_value(catalog):
    for figure in ("cost", "wall_time", "carbon"):
        low, high = catalog.best.interval(figure)
        assert low < getattr(catalog.best, figure) < high


def test_count_may_be_a_number_or_several():
    numbers = [
        what_fits(MODEL, QUANTIZED, accelerator="H100-SXM", count=count).rows() for count in (2, (2,), range(2, 3))
    ]
    assert numbers[0] == numbers[1] == numbers[2]


@pytest.mark.parametrize("recipe", [GRPO(examples=100, lengths=500, group_size=8), DPO(examples=100, lengths=500)])
def test_auxiliary_models_reduce_available_memory(recipe):
    alone = FullFineTuning(examples=100, lengths=500)
    without, others = (what_fits(MODEL, method, accelerator="H100-SXM", count=8).best for method in (alone, recipe))
    assert others.wall_time > without.wall_time
    cluster = cm.Cluster("H100-SXM", 8)

    def most_sequences(method):
        return largest_micro_batch(MODEL, method, cluster) * planned(SHAPE, method, cluster)[1].layout.data

    assert most_sequences(recipe) < most_sequences(alone)


def test_auxiliary_models_that_exceed_memory_are_reported():
    fits = what_fits("llama-3.1-70b", DPO(examples=100, lengths=500), accelerator="H100-SXM", count=1)
    assert fits.rejected[0].reason == "memory: the auxiliary models need 131.4 of 79.1 GiB"


def test_tables_show_feasible_rows_and_reasons(catalog):
    text = str(catalog)
    assert "RTX-4090" in catalog.to_markdown() and "more fit: rows() has all" in text
    assert "does not fit: " in text and len(text.splitlines()) == 24
    assert catalog._repr_html_().count("<tr>") == 21
    assert "model" not in text.splitlines()[0], "a single model is not repeated in each row"
    assert "nan" not in text


def test_all_problems_are_reported_at_once():
    with pytest.raises(cm.InputError) as caught:
        what_fits("llama-3.1-8bb", accelerator="H100SXM", count=0, budget=-3, deadline="3 kg", memory="much")
    message = str(caught.value)
    assert message.startswith("6 problems")
    assert "did you mean 'llama-3.1-8b'" in message and "did you mean 'H100-SXM'" in message
    assert "architecture: " in message and "accelerator: " in message and "count: " in message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, r"give architecture, accelerator or both"),
        (
            {"architecture": {"total": "8B"}},
            r"only the counts of a model of 8.00B parameters are given; memory needs its layers",
        ),
        ({"architecture": MODEL, "recipe": QUANTIZED, "tokens": "1M"}, r"tokens: the recipe sets them"),
        ({"architecture": MODEL, "recipe": LoRA(tokens=1, targets=("knee",))}, r"unknown matrix 'knee'"),
        ({"architecture": MODEL, "count": ()}, r"count: the list is empty; give at least one value"),
        ({"architecture": MODEL, "recipe": "lora"}, r"recipe"),
        ({"architecture": MODEL, "prices": {"provder": "aws"}}, r"prices.provder: unknown field"),
    ],
)
def test_invalid_arguments_are_rejected(arguments, message):
    with pytest.raises(cm.InputError, match=message):
        what_fits(**arguments)


def test_unknown_provider_raises():
    with pytest.raises(cm.UnknownNameError, match=r"unknown provider"):
        what_fits(MODEL, QUANTIZED, accelerator="H100-SXM", prices=cm.Rental(provider="nobody"))


def test_limit_functions_reject_invalid_arguments():
    cluster = cm.Cluster("RTX-4090", 1)
    with pytest.raises(cm.InputError) as caught:
        longest_sequence(MODEL, "lora", "H100-SXM")
    assert len(caught.value.problems) == 2
    with pytest.raises(cm.UnknownNameError, match=r"did you mean"):
        largest_micro_batch("llama-3.1-8bb", QUANTIZED, cluster)
    with pytest.raises(cm.InputError, match=r"fits on no layout"):
        longest_sequence("llama-3.1-405b", QUANTIZED, cluster)
    with pytest.raises(cm.InputError, match=r"fits on no layout"):
        largest_micro_batch("llama-3.1-405b", QUANTIZED, cluster)
    with pytest.raises(cm.InputError, match=r"not possible for any of the models: .*unknown matrix"):
        largest_model(LoRA(tokens=1, targets=("knee",)), cluster, [MODEL])
    with pytest.raises(cm.MissingFactError, match=r"the memory of MTIA-v2"):
        longest_sequence(MODEL, QUANTIZED, cm.Cluster("MTIA-v2", 1))

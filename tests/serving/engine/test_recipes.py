"""Recipes of engines: which factors apply to an engine on an accelerator at a date."""

import pytest

import costmodel as cm
from costmodel.foundation.errors import InputError
from costmodel.foundation.tables import table
from costmodel.serving.calibration.constants import Stack, constants_of, default_constants
from costmodel.serving.engine.recipes import RECIPES, engines, recipe_of

H100, B200, MI300X, MI355X = (cm.load_accelerator(name) for name in ("H100-SXM", "B200", "MI300X", "MI355X"))
VALUES = default_constants().values


def test_every_factor_of_a_recipe_is_fitted():
    priors = {row["name"] for row in table("assumptions/priors").rows}
    for row in table("facts/serving_engines").rows:
        for name in filter(None, row["constants"].split("|")):
            assert name in VALUES or name.replace("latency:", "engine:") in priors


def test_the_defaults_of_vllm_are_the_reference():
    constants = constants_of(VALUES, recipe_of(H100, "vllm", "default").constants, "bf16")
    assert constants.software == 1 and constants.layer == VALUES["layer"] and constants.mfu == VALUES["mfu"]


def test_a_tuned_recipe_has_less_overhead():
    default, tuned = (constants_of(VALUES, recipe_of(H100, "sglang", name).constants, "fp8") for name in RECIPES[:2])
    assert tuned.software < default.software and tuned.sequence < default.sequence
    assert tuned.mfu == default.mfu == VALUES["mfu_fp8"]


def test_the_vendor_and_the_date_select_the_row():
    assert recipe_of(MI300X, "vllm", "default", "2024-06").constants != recipe_of(MI300X, "vllm", "default").constants
    assert "software:amd" in recipe_of(MI300X, "sglang", "tuned").constants
    assert "software:cdna4" in recipe_of(MI355X, "sglang", "tuned").constants
    assert recipe_of(H100, "vllm", "default", "2024-11").period == "2024"


def test_an_unknown_recipe_lies_between_and_keeps_the_factors_of_the_vendor():
    unknown = recipe_of(MI300X)
    assert unknown.recipe == "unknown" and {"bandwidth:amd", "mfu:amd", "software:amd"} <= set(unknown.constants)
    assert constants_of(VALUES, recipe_of(H100).constants, "bf16").software == VALUES["software:unknown"]


def test_an_unknown_recipe_widens_the_interval():
    constants = default_constants()
    spreads = [
        constants.spread(Stack("H100-SXM", "NVIDIA", "hopper", recipe), moe=moe)
        for moe in (False, True)
        for recipe in (recipe_of(H100, "vllm", "default"), recipe_of(H100))
    ]
    assert spreads[0] < spreads[1] and spreads[2] < spreads[3]
    assert max(spreads[0], spreads[2]) <= 0.22 and max(spreads) <= 0.42


def test_software_of_2024_is_less_certain_on_amd_alone():
    constants = default_constants()

    def spread(card, date):
        recipe = recipe_of(card, "vllm", "default", date)
        return constants.spread(Stack(card.name, card.vendor, card.generation, recipe), moe=False)

    assert spread(MI300X, "2024-06") == pytest.approx(0.286, abs=0.02)
    assert spread(H100, "2024-06") == spread(H100, "2025-11") == constants.spreads["dense"]


def test_all_problems_are_named():
    with pytest.raises(InputError) as caught:
        recipe_of(H100, "vlm", "fast")
    assert len(caught.value.problems) == 2 and "vllm" in str(caught.value) and "default" in str(caught.value)
    assert {"vllm", "sglang", "trtllm"} <= set(engines())


@pytest.mark.parametrize(("name", "bound"), [("bandwidth", 0.95), ("cache_bandwidth", 0.95), ("mfu", 0.9)])
def test_realized_shares_stay_below_what_hardware_can_reach(name, bound):
    assert getattr(constants_of({**VALUES, name: 2.0}, (), "bf16"), name) == bound

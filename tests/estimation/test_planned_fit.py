"""Planned layouts fit with a high probability; where none does, the estimate says so and what would help."""

import pytest

import costmodel as cm
from costmodel.foundation.rendering import percent
from costmodel.training.layouts.fitting import LEAST_PROBABILITY, SAFE_PROBABILITY, below

RUN = cm.Scenario("llama-3.1-8b", cm.Pretraining(tokens="1T", batch_size=512), cm.Cluster("H100-SXM", 8))


def with_memory(usable, **fields):
    """Return the run on accelerators with another usable memory [byte], without host memory to offload to."""
    accelerator = cm.load_accelerator("H100-SXM").replace(memory=None, usable_memory=usable)
    return RUN.replace(cluster=cm.Cluster(accelerator, 8, host_memory="1 GB"), **fields)


@pytest.fixture(scope="module")
def least():
    """Least memory of the planned layouts of the run [byte]."""
    with pytest.raises(cm.InputError, match=r"the smallest needs [\d.]+ GiB") as caught:
        cm.estimate(with_memory("10 GB"))
    return float(str(caught.value).rpartition("needs ")[2].split()[0]) * 2**30


def cautions(scenario):
    return [note for note in cm.estimate(scenario).notes() if "fits" in note]


@pytest.mark.parametrize("accelerator", ["H100-SXM", "A100-80GB-SXM", "H200-SXM", "RTX-4090"])
@pytest.mark.parametrize("recipe", [RUN.recipe, cm.LoRA(tokens="20M"), cm.DPO(tokens="20M")])
def test_planned_layouts_fit_with_nine_of_ten(accelerator, recipe):
    scenario = RUN.replace(recipe=recipe, cluster=cm.Cluster(accelerator, 16, host_memory="2 TB"))
    assert cm.estimate(scenario).fit_probability >= SAFE_PROBABILITY and not cautions(scenario)


@pytest.mark.parametrize("search", ["bounded", "full"])
def test_least_probability_of_a_planned_layout_can_be_set(search, least):
    usual = with_memory(1.6 * least, search=search)
    est, risky = cm.estimate(usual), cm.estimate(usual.replace(planned_fit_probability=0.5))
    certain = cm.estimate(usual.replace(planned_fit_probability=0.999))
    assert risky.wall_time < est.wall_time <= certain.wall_time
    assert 0.5 <= risky.fit_probability < SAFE_PROBABILITY <= est.fit_probability
    assert certain.fit_probability >= 0.999
    assert any("what_would_fit lists changes" in note for note in risky.notes()), "below 90 % it is said"


def test_layout_of_least_memory_is_planned_with_a_caution_and_the_nearest_change_where_none_is_safe(least):
    scenario = with_memory(1.05 * least)
    est = cm.estimate(scenario)
    assert LEAST_PROBABILITY < est.fit_probability < SAFE_PROBABILITY
    (caution,) = cautions(scenario)
    start = f"no layout fits with a probability of {percent(SAFE_PROBABILITY)}; the planned one, of least memory, "
    assert caution.startswith(f"{start}fits with {below(est.fit_probability, SAFE_PROBABILITY)}; with ")
    changes = cm.what_would_fit(scenario).changes
    nearest = changes[0]
    assert f"with {nearest.text} it fits with a probability of {percent(nearest.fit_probability)}" in caution
    assert cm.estimate(scenario.replace(layout=est.layout).replace(dict(nearest.fields))).fit_probability >= 0.9


def test_host_memory_that_is_assumed_is_named():
    scenario = cm.Scenario("llama-3.1-70b", cm.Pretraining(tokens="1B"), cm.Cluster("H100-SXM", 4))
    (caution,) = cautions(scenario)
    assert "host memory per GPU, and 336 are assumed (cluster.host_memory)" in caution
    assert not cautions(scenario.replace({"cluster.host_memory": "2 TB"}))
    (caution,) = cautions(scenario.replace({"cluster.host_memory": "1.3 TB"}))
    assert "host memory per GPU of 303" in caution


def test_the_least_probability_is_read_from_text_and_files(tmp_path):
    scenario = RUN.replace(planned_fit_probability="95 %")
    assert scenario.planned_fit_probability == 0.95
    scenario.save(tmp_path / "run.toml")
    assert cm.Scenario.load(tmp_path / "run.toml") == scenario
    assert cm.Scenario.load(tmp_path / "run.toml", {"planned_fit_probability": 0.5}).planned_fit_probability == 0.5


@pytest.mark.parametrize("value", [0, 1, 1.5, "0.4 to 0.6"])
def test_the_least_probability_is_a_number_between_0_and_1(value):
    with pytest.raises(cm.InputError, match="planned_fit_probability"):
        RUN.replace(planned_fit_probability=value)


def test_plans_of_a_sweep_have_the_least_probability():
    values = [0.5, 0.9, 0.99]
    table = cm.sweep(with_memory("44 GB"), {"planned_fit_probability": values})
    assert [row["fit_probability"] for row in table.rows()] == [
        cm.estimate(with_memory("44 GB", planned_fit_probability=value)).fit_probability for value in values
    ]

"""A measured speed as an input: the MFU that follows from it, files, intervals, and what is refused."""

import pytest

import costmodel as cm

BATCH, LENGTH, COUNT = 512, 8192, 64


def scenario(**changes):
    base = cm.Scenario(
        architecture="llama-3.1-8b",
        recipe=cm.Pretraining(tokens="1T", sequence_length=LENGTH, batch_size=BATCH),
        cluster=cm.Cluster("H100-SXM", COUNT),
        prices=cm.Rental(price=2.0),
    )
    return base.replace(changes)


def test_mfu_follows_from_the_step_time():
    est = cm.estimate(scenario(step_time="9.5 s", goodput=1.0))
    flops = cm.count_flops(cm.load_architecture("llama-3.1-8b"), LENGTH).training
    assert est.value("mfu") == pytest.approx(BATCH * flops / (9.5 * COUNT * 989.4e12), rel=1e-9)
    assert est.value("wall_time") == pytest.approx(1e12 / (BATCH * LENGTH) * 9.5, rel=1e-9)
    assert est.inputs["step_time"].provenance[:1] == ("given",)
    assert "measured step time" in str(est.explain("mfu"))


def test_tokens_per_second_of_a_step_time_give_the_same_estimate():
    one = cm.estimate(scenario(step_time=8.0))
    other = cm.estimate(scenario(tokens_per_second=f"{BATCH * LENGTH / 8 / 1000} k token/s"))
    for name in ("mfu", "step_time", "gpu_hours", "cost"):
        assert other.value(name) == pytest.approx(one.value(name), rel=1e-12)


def test_an_uncertain_measurement_gives_the_interval_of_the_mfu():
    exact = {end: cm.estimate(scenario(step_time=end)).value("mfu") for end in (9.0, 10.0)}
    low, high = cm.estimate(scenario(step_time="9 to 10 s")).bounds("mfu")
    assert (low, high) == pytest.approx((exact[10.0], exact[9.0]), rel=2e-3)


def test_tokens_per_second_need_no_batch_size():
    est = cm.estimate(scenario(recipe={"tokens": "1T"}, tokens_per_second="630k", goodput=1.0))
    assert est.value("wall_time") == pytest.approx(1e12 / 630e3)
    assert est.value("step_time") == pytest.approx(est.value("recipe.batch_tokens") / 630e3)  # of the default batch


def test_a_step_time_without_a_batch_size_names_the_default():
    est = cm.estimate(scenario(recipe={"tokens": "1T"}, step_time=9.0))
    assert "step_time is taken for the default batch of 1,024 sequences" in str(est)


def test_padding_does_not_count_as_tokens():
    recipe = {
        "kind": "full_fine_tuning", "examples": 10_000, "lengths": "200 to 1500", "packing": False, "batch_size": 64
    }  # fmt: skip
    run = scenario(recipe=recipe, step_time=2.0, goodput=1.0)
    est = cm.estimate(run)
    tokens = run.recipes[0].trained_tokens()
    per_step = est.inputs["recipe.batch_tokens"].value
    assert per_step < 64 * 2048
    assert est.value("wall_time") == pytest.approx(tokens / per_step * 2.0)


@pytest.mark.parametrize("suffix", ["toml", "json"])
@pytest.mark.parametrize(
    "speed", [{"step_time": "9 to 10 s"}, {"tokens_per_second": "630k token/s"}, {"step_time": cm.samples([8, 9, 10])}]
)
def test_a_measured_speed_survives_a_file(tmp_path, suffix, speed):
    run = scenario(**speed)
    run.save(tmp_path / f"run.{suffix}")
    loaded = cm.Scenario.load(tmp_path / f"run.{suffix}")
    assert cm.estimate(loaded).to_dict()["figures"] == cm.estimate(run).to_dict()["figures"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"step_time": 9, "mfu": 0.4}, "mfu and step_time are given together; keep one of"),
        ({"step_time": 9, "tokens_per_second": 1e5}, "step_time and tokens_per_second are given together"),
        ({"tokens_per_second": 1e5, "gpu_hours": 10}, "tokens_per_second and gpu_hours are given together"),
        ({"step_time": 9, "layout": {"data": 64}}, "step_time and layout are both given"),
        ({"step_time": 9, "realized_efficiency": 0.8}, "step_time and realized_efficiency are both given"),
        ({"step_time": 9, "recipe.gpu_hours": 10}, r"step_time and recipe\.gpu_hours are both given"),
        ({"step_time": 9, "recipe": [{"tokens": "1T"}, {"tokens": "2T"}]}, "the speed of one recipe; got 2 recipes"),
        ({"step_time": 0}, "step_time: must be a number in s above 0"),
        ({"step_time": "9 tokens"}, "step_time: .*wrong dimension"),
        ({"tokens_per_second": "10k token/s/GPU"}, "tokens_per_second: must be of the whole cluster"),
        ({"tokens_per_second": "10k tokens per second per accelerator"}, "must be of the whole cluster"),
        ({"tokens_per_second": cm.between(1e4, 2e4, "token/s/gpu")}, "must be of the whole cluster"),
    ],
)
def test_a_speed_that_cannot_stand_is_refused(changes, message):
    with pytest.raises(cm.InputError, match=message):
        scenario(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"step_time": 1}, r"step_time: 1 s needs 3\.41 × the bf16 peak of 64 × H100-SXM; possible: at least 3\.409 s"),
        ({"step_time": "3 to 12 s"}, "step_time: 3 s needs 1.14 ×"),
        ({"tokens_per_second": "3M token/s"}, r"tokens_per_second: 3e\+06 token/s needs 2\.44 ×"),
        ({"step_time": 3.0, "recipe.precision": "bf16"}, "needs 1.14 × the bf16 peak"),
    ],
)
def test_a_speed_above_the_peak_is_refused(changes, message):
    with pytest.raises(cm.InputError, match=message):
        cm.estimate(scenario(**changes))


def test_the_peak_is_that_of_the_precision():
    assert cm.estimate(scenario(**{"step_time": 3.0, "recipe.precision": "fp8"})).value("mfu") == pytest.approx(
        1.136, 0.01
    )


def test_several_passes_are_refused_with_the_reason():
    run = scenario(recipe={"kind": "dpo", "examples": 1000, "lengths": 500}, step_time=100)
    with pytest.raises(cm.InputError, match="one figure does not say how they share the time"):
        cm.estimate(run)

"""MFU and goodput of an estimate: given, of a given layout, of a planned layout, or a class default."""

import pytest

import costmodel as cm

RECIPE = cm.Pretraining(tokens="1T", sequence_length=8192, batch_size=512)
LAYOUT = cm.Layout(data=32, tensor=2)


def scenario(**changes):
    base = cm.Scenario(
        architecture="llama-3.1-8b", recipe=RECIPE, cluster=cm.Cluster("H100-SXM", 64), prices=cm.Rental(price=2)
    )
    return base.replace(changes)


def width(estimate, name="gpu_hours"):
    low, high = estimate.bounds(name)
    return high / low


def test_the_interval_narrows_as_more_is_known():
    planned, laid_out = cm.estimate(scenario()), cm.estimate(scenario(layout=LAYOUT))
    known = cm.estimate(scenario(mfu=0.45, goodput=0.95))
    assert width(planned) > width(laid_out) > width(known) == 1


def test_a_given_layout_runs_at_its_modeled_step_time():
    est, step = (
        cm.estimate(scenario(layout=LAYOUT)),
        cm.step_time("llama-3.1-8b", cm.Cluster("H100-SXM", 64), RECIPE, LAYOUT),
    )
    assert est.value("step_time") == pytest.approx(step.seconds, rel=1e-9)
    assert est.value("mfu") == pytest.approx(step.mfu, rel=1e-9)
    assert est.value("memory") == pytest.approx(step.si.memory.total, rel=1e-9)
    assert est.layout == LAYOUT
    low, high = step.bounds()
    assert est.bounds("step_time") == pytest.approx((low, high), rel=0.02)


def test_a_planned_layout_fits_and_its_modeled_mfu_exceeds_the_estimate():
    est = cm.estimate(scenario())
    step = cm.step_time("llama-3.1-8b", cm.Cluster("H100-SXM", 64), RECIPE, est.layout)
    assert step.fits and est.value("mfu") < step.mfu
    assert "layout planned: data 64" in str(est)


def test_the_full_search_finds_no_slower_layout():
    bounded, full = (cm.estimate(scenario(search=each)).value("mfu") for each in ("bounded", "full"))
    assert full >= bounded


def test_own_calibration_replaces_the_realized_efficiency_of_published_runs():
    row = {
        "source": "mine 2026", "model": "llama-3.1-8b", "seq_len": 8192, "global_batch": 512, "accelerator": "H100-SXM",
        "n_gpus": 64, "tp": 2, "pp": 1, "micro_batch": 1, "recompute": "none", "precision": "bf16",
        "step_time_s": cm.step_time("llama-3.1-8b", cm.Cluster("H100-SXM", 64), RECIPE, LAYOUT).seconds,
    }  # fmt: skip
    mine = cm.estimate(scenario(efficiency=cm.calibrate([row] * 3)))
    other = cm.estimate(scenario())
    assert mine.layout == other.layout and mine.value("mfu") > other.value("mfu")
    assert width(mine, "mfu") < width(cm.estimate(scenario(layout=LAYOUT)), "mfu") < width(other, "mfu")


def test_goodput_is_computed_from_failures_and_lengthens_the_wall_time():
    est = cm.estimate(scenario(layout=LAYOUT))
    steps = 1e12 / (512 * 8192)
    assert est.value("wall_time") == pytest.approx(steps * est.value("step_time") / est.value("goodput"), rel=1e-9)
    frail = cm.estimate(scenario(layout=LAYOUT, reliability={"gpu_hours_per_failure": 500}))
    assert frail.value("goodput") < est.value("goodput")
    assert frail.value("step_time") == pytest.approx(est.value("step_time"), rel=1e-12)
    rows = {row["path"]: row for row in frail.explain("cost").rows()}
    assert rows["reliability.gpu_time_per_failure"]["value"] == pytest.approx(500)
    assert rows["reliability.gpu_time_per_failure"]["kind"] == "given"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"cluster.accelerator": "MI300X"}, "no step was measured on MI300X"),
        ({"cluster.accelerator": "TPU-v5p"}, "no step was measured on TPU-v5p"),
        ({"architecture": {"total": "7B"}}, "parameter counts but no layers"),
    ],
)
def test_the_class_default_is_used_and_noted_where_the_step_time_model_lacks_data(changes, reason):
    est = cm.estimate(scenario(**changes))
    assert est.layout is None and reason in str(est) and "default of the class" in str(est)
    with pytest.raises(cm.MissingFactError, match="the estimate has no layout"):
        _ = est.memory


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"architecture": "llama-3.1-405b", "cluster.count": 8}, "layout: the model fits on no layout of 8"),
        (
            {"layout": {"data": 64, "zero": 0}},
            r"layout: does not fit: it needs \d+\.\d GiB per GPU; 79.1 GiB are usable",
        ),
        ({"layout": {"data": 3}}, "differs from the number of accelerators"),
        ({"layout": LAYOUT, "mfu": 0.4}, "mfu and layout are both given"),
        ({"layout": LAYOUT, "gpu_hours": 1e6}, "gpu_hours and layout are both given"),
        ({"layout": {"tensr": 2}}, "tensr"),
    ],
)
def test_impossible_layouts_and_contradictions_are_refused(changes, reason):
    with pytest.raises(cm.InputError, match=reason):
        cm.estimate(scenario(**changes))


def test_stages_have_their_own_mfu_with_shared_draws():
    long = cm.Pretraining(tokens="50B", sequence_length=65_536, batch_size=64)
    est = cm.estimate(scenario(recipe=[RECIPE, long]))
    rows = {row["path"]: row["value"] for row in est.explain("gpu_hours").rows()}
    assert rows["recipe.1.mfu"] != rows["recipe.0.mfu"]
    parts = [cm.estimate(scenario(recipe=each)) for each in (RECIPE, long)]
    assert est.value("gpu_hours") == pytest.approx(sum(part.value("gpu_hours") for part in parts), rel=1e-9)
    assert est.bounds("gpu_hours") == pytest.approx(sum(parts).bounds("gpu_hours"), rel=1e-6)
    low, high = sorted(rows[f"recipe.{index}.mfu"] for index in (0, 1))
    assert low < est.value("mfu") / est.value("realized_efficiency") < high


def test_a_layout_goes_through_files(tmp_path):
    run = scenario(layout=cm.Layout(data=16, tensor=2, pipeline=2, interleave=4, recompute="selective"))
    for name in ("run.toml", "run.json"):
        run.save(tmp_path / name)
        assert cm.Scenario.load(tmp_path / name) == run


def test_an_optimizer_with_smaller_states_leaves_more_memory():
    held = {
        optimizer: cm.estimate(scenario(layout=LAYOUT, **{"recipe.optimizer": optimizer})).value("memory")
        for optimizer in ("adamw", "muon", "adamw-8bit")
    }
    assert held["adamw-8bit"] < held["muon"] < held["adamw"]

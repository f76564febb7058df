"""A given layout runs at its modeled speed; what the same layout takes where it is planned is said."""

import pytest

import costmodel as cm

RUNS = {
    "pretraining": cm.Scenario(
        "llama-3.1-8b", cm.Pretraining(tokens="1T", batch_size=1024), cm.Cluster("H100-SXM", 256)
    ),
    "on few accelerators": cm.Scenario(
        "llama-3.2-1b", cm.Pretraining(tokens="10B", batch_size=64), cm.Cluster("H100-SXM", 8)
    ),
    "fine-tuning": cm.Scenario("llama-3.1-8b", cm.LoRA(tokens="20M", batch_size=32), cm.Cluster("H100-SXM", 8)),
}


def note_of(est):
    return [note for note in est.notes() if note.startswith("a given layout runs at its modeled speed")]


@pytest.mark.parametrize("name", RUNS)
def test_the_note_says_what_the_planned_layout_takes(name):
    planned = cm.estimate(RUNS[name])
    given = cm.estimate(planned.scenario.replace(layout=planned.layout))
    factor = planned.value("gpu_hours") / given.value("gpu_hours")
    assert factor == pytest.approx(1 / planned.value("realized_efficiency"), rel=1e-6)
    more = "more" if factor > 1 else "less"
    (note,) = note_of(given)
    assert f"planned, it takes {abs(factor - 1) * 100:.0f} % {more} time" in note
    assert note in str(given) and not note_of(planned)


def test_the_note_counts_the_software_that_is_named():
    planned = cm.estimate(RUNS["pretraining"])
    given = planned.scenario.replace({"layout": planned.layout, "recipe.software": "Megatron-LM"})
    est = cm.estimate(given)
    factor = cm.estimate(given.replace(layout=None)).value("gpu_hours") / est.value("gpu_hours")
    assert factor > 1.2
    (note,) = note_of(est)
    assert f"takes {(factor - 1) * 100:.0f} % more time" in note


def test_no_note_where_a_plan_has_the_same_efficiency():
    planned = cm.estimate(RUNS["pretraining"])
    given = planned.scenario.replace(layout=planned.layout)
    own = given.replace(realized_efficiency=0.9)
    assert not note_of(cm.estimate(own))
    assert cm.estimate(own).value("gpu_hours") == pytest.approx(
        cm.estimate(own.replace(layout=None)).value("gpu_hours"), rel=1e-3
    )
    moe = cm.estimate(cm.Scenario("mixtral-8x7b", cm.Pretraining("1T", batch_size=512), cm.Cluster("H100-SXM", 64)))
    assert abs(moe.value("realized_efficiency") - 1) < 0.005
    assert not note_of(cm.estimate(moe.scenario.replace(layout=moe.layout))), "less than a percent is not said"
    rl = cm.Scenario("qwen2.5-3b", cm.GRPO(tokens="1M", group_size=8), cm.Cluster("H100-SXM", 8))
    assert not note_of(cm.estimate(rl.replace(layout=cm.estimate(rl).layout)))

"""Changes that make a run fit in memory."""

import json

import pytest
from typer.testing import CliRunner

import costmodel as cm
from costmodel.cli.app import app
from costmodel.training.layouts.fitting import SAFE_PROBABILITY, TooLargeError

TIGHT = cm.Scenario(
    architecture="yi-34b",
    recipe=cm.QLoRA(tokens="2M", batch_size=4, rank=64, software="eager"),
    cluster=cm.Cluster("RTX-3090", 2),
    layout=cm.Layout(data=2, micro_batch=2, zero=3, recompute="full", attention="flash-2", eager=True),
)
HOPELESS = cm.Scenario(
    architecture="llama-3.1-8b",
    recipe=cm.FullFineTuning(tokens="20M", sequence_length=32_768, batch_size=1),
    cluster=cm.Cluster("RTX-4090", 1),
    layout=cm.Layout(eager=True),
)


@pytest.fixture(scope="module")
def tight():
    return cm.what_would_fit(TIGHT)


def test_every_change_makes_the_run_fit(tight):
    assert tight.fit_probability < SAFE_PROBABILITY and not tight.fits
    for index, change in enumerate(tight.changes):
        changed = tight.changed(index)
        step = cm.step_time(changed.architecture, changed.cluster, changed.recipe, changed.layout)
        assert step.fit_probability == pytest.approx(change.fit_probability)
        assert step.fit_probability >= 0.9
    assert min(change.fit_probability for change in tight.changes) < 0.95


def test_changes_are_of_many_kinds_and_those_that_keep_the_training_come_first(tight):
    text = " / ".join(change.text for change in tight.changes)
    for kind in ("micro-batch 1", "rank", "weights offloaded", "4 accelerators", "sequence length", "loss"):
        assert kind in text
    same = [change.same_training for change in tight.changes]
    assert same == sorted(same, reverse=True)


def test_a_change_is_the_smallest_of_its_kind(tight):
    (shorter,) = (change for change in tight.changes if change.text.startswith("sequence"))
    length = shorter.fields["recipe.sequence_length"]
    longer = tight.scenario.replace({"recipe.sequence_length": length + 128})
    step = cm.step_time(longer.architecture, longer.cluster, longer.recipe, longer.layout)
    assert step.fit_probability < SAFE_PROBABILITY


def test_price_is_the_time_per_token(tight):
    (smaller,) = (change for change in tight.changes if change.text == "micro-batch 1")
    steps = [
        cm.step_time(TIGHT.architecture, TIGHT.cluster, TIGHT.recipe, TIGHT.layout.replace(micro_batch=size))
        for size in (2, 1)
    ]
    assert smaller.time_factor == pytest.approx(steps[1].seconds / steps[0].seconds)
    (more,) = (change for change in tight.changes if "accelerators" in change.text)
    assert more.gpu_time_factor == pytest.approx(2 * more.time_factor)


def test_pairs_are_tried_where_no_single_change_is_enough():
    found = cm.what_would_fit(HOPELESS)
    assert found.changes and all(" and " in change.text for change in found.changes)


def test_run_that_fits_needs_no_change():
    found = cm.what_would_fit(TIGHT.replace(architecture="llama-2-7b"))
    assert found.fits and not found.changes and "no change is needed" in str(found)


def test_layout_is_planned_where_none_is_given():
    planned = cm.what_would_fit(TIGHT.replace({"layout": None, "architecture": "llama-2-7b"}))
    assert planned.scenario.layout == planned.layout and planned.fits
    refused = cm.what_would_fit(HOPELESS.replace(layout=None))
    assert refused.layout.recompute == "full" and refused.fit_probability < SAFE_PROBABILITY


def test_forms_of_the_result(tight):
    assert all(len(line) <= 80 for line in str(tight).splitlines())
    assert list(tight.to_frame().index) == [change.text for change in tight.changes]
    data = json.loads(json.dumps(tight.to_dict()))
    assert data["fit_probability"] == tight.fit_probability and len(data["changes"]) == len(tight.changes)


def test_message_of_a_refused_layout_names_the_nearest_change():
    run = TIGHT.replace({"layout.micro_batch": 8, "recipe.batch_size": 16})
    nearest = cm.what_would_fit(run).changes[0]
    with pytest.raises(TooLargeError) as caught:
        cm.estimate(run)
    assert f"with {nearest.text} it fits" in str(caught.value)


def test_wrong_arguments_are_refused(tight):
    with pytest.raises(cm.InputError, match="must be a Scenario"):
        cm.what_would_fit("llama-2-7b")
    with pytest.raises(cm.InputError, match="one recipe; got 2"):
        cm.what_would_fit(TIGHT.replace(layout=None, recipe=[TIGHT.recipe, TIGHT.recipe]))
    with pytest.raises(cm.InputError, match="index must be from 0"):
        tight.changed(99)


def test_command_line(tmp_path):
    file = tmp_path / "run.json"
    file.write_text(json.dumps(TIGHT.to_data()), encoding="utf-8")
    shown = CliRunner().invoke(app, ["estimate", str(file), "--what-would-fit"])
    assert shown.exit_code == 0 and "micro-batch 1" in shown.stdout
    listed = CliRunner().invoke(app, ["estimate", str(file), "--what-would-fit", "--json"])
    assert json.loads(listed.stdout)["changes"]

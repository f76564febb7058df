"""A planned layout that is given back rebuilds the plan: as text, JSON or TOML."""

import json
import random

import pytest

import costmodel as cm

MODELS = ("gpt2", "llama-3.2-1b", "llama-3.1-8b", "llama-3.1-70b", "mixtral-8x7b", "qwen3-30b-a3b")


def random_scenario(draw):
    model, gpu = draw.choice(MODELS), draw.choice(["H100-SXM", "A100-80GB-SXM"])
    length = draw.choice([512, 1024] if model == "gpt2" else [512, 2048, 8192, 32_768])
    count, batch = draw.choice([1, 2, 8, 17, 64, 100, 136, 256]), draw.choice([None, 8, 100, 512])
    recipe = draw.choice(
        [
            cm.Pretraining(tokens="100B", sequence_length=length, batch_size=batch),
            cm.FullFineTuning(tokens="20M", sequence_length=length, batch_size=batch),
            cm.QLoRA(tokens="20M", sequence_length=length, batch_size=batch, software=draw.choice(["eager", "fused"])),
        ]
    )
    return cm.Scenario(model, recipe, cm.Cluster(gpu, count), prices=cm.Rental(price=2))


def planned(seed):
    """Return estimates of random scenarios in planned layouts."""
    draw, found = random.Random(seed), []
    while len(found) < 25:
        try:
            est = cm.estimate(random_scenario(draw))
        except cm.InputError:  # does not fit
            continue
        found.append(est)
    return found


@pytest.mark.parametrize("seed", range(20))
def test_500_random_plans_are_rebuilt_from_text_json_and_toml(seed, tmp_path):
    for est in planned(seed):
        layout = est.layout
        assert cm.Layout.parse(layout.brief()) == layout
        assert any(note == f"layout planned: {layout.brief()}" for note in est.notes())
        assert cm.Layout.from_data(json.loads(json.dumps(layout.to_data()))) == layout
        given = est.scenario.replace(layout=layout.brief())
        assert given.layout == layout
        for name in ("run.toml", "run.json"):
            given.save(tmp_path / name)
            assert cm.Scenario.load(tmp_path / name).layout == layout
        again = cm.estimate(given)
        assert again.value("memory") == est.value("memory")
        assert again._speed.batches == est._speed.batches
        modeled, rebuilt = (each._speed.figures[0].value for each in (est, again))  # without realized efficiency
        assert rebuilt == modeled


def test_layout_is_text_in_a_scenario_file_and_in_changes(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(
        'architecture = "llama-3.1-8b"\nlayout = "data 4, tensor 2, loss fused"\n'
        '[recipe]\nkind = "pretraining"\ntokens = 1e9\n[cluster]\naccelerator = "H100-SXM"\ncount = 8\n',
        encoding="utf-8",
    )
    assert cm.Scenario.load(path).layout == cm.Layout(data=4, tensor=2, loss="fused")
    changed = cm.Scenario.load(path, {"layout": "data 8, zero 3"})
    assert changed.layout == cm.Layout(data=8, zero=3)


def test_uneven_division_is_a_note_of_given_and_planned_layouts():
    run = cm.Scenario(
        "llama-3.1-8b",
        cm.Pretraining(tokens="1T", sequence_length=8192, batch_size=1024),
        cm.Cluster("H100-SXM", 136),
        prices=cm.Rental(price=2),
    )
    planned = cm.estimate(run)
    given = cm.estimate(run.replace(layout=planned.layout))
    for est in (planned, given):
        assert "better: a batch size of 1,088, or 128 GPUs" in str(est)
        cautions = [entry["caution"] for entry in est.to_dict()["inputs"].values()]
        assert any("better: a batch size of 1,088" in caution for caution in cautions)
    assert "better" not in str(cm.estimate(run.replace({"cluster.count": 128})))

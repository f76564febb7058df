"""Paths that estimates print are accepted by `replace`, by files and by `--set`; others are marked."""

import pytest

import costmodel as cm
from costmodel.estimation.files import parse_change
from costmodel.estimation.paths import field_of, is_settable

CLUSTER = cm.Cluster("H100-SXM", 64, site=cm.Site(region="us-virginia"))
TOKENS = cm.Pretraining(tokens="1T", batch_size=1024)
SCENARIOS = {
    "planned": {"recipe": TOKENS},
    "layout": {"recipe": TOKENS, "layout": {"data": 64, "zero": 1}},
    "mfu": {"recipe": TOKENS, "mfu": "0.3 to 0.5", "goodput": 0.9},
    "by class": {"recipe": TOKENS, "architecture": {"total": "7B"}},
    "hours of all": {"recipe": TOKENS, "gpu_hours": 100_000},
    "hours of a recipe": {"recipe": cm.Pretraining(tokens="1T", gpu_hours="90000 to 110000")},
    "two recipes": {"recipe": [TOKENS, cm.LoRA(tokens="20M")]},
    "fine-tune": {"recipe": cm.QLoRA(tokens="20M")},
    "two passes": {"recipe": cm.DPO(tokens="20M")},
    "rollouts": {"recipe": cm.GRPO(tokens="20M")},
    "teacher": {"recipe": cm.Distillation(tokens="1B", teacher="llama-3.1-70b")},
    "failures": {
        "recipe": TOKENS,
        "reliability": {"gpu_hours_per_failure": 20_000, "checkpoint_interval": 1800, "overhead_share": 0.1},
    },
    "elsewhere": {"recipe": TOKENS, "cluster": cm.Cluster("H100-SXM", 64)},
    "without a price": {
        "recipe": TOKENS,
        "cluster": cm.Cluster(cm.Accelerator("My-chip", bf16=500, memory=80, generation="hopper"), 64),
    },
}


def scenario(name):
    return cm.Scenario(**{"architecture": "llama-3.1-8b", "cluster": CLUSTER, "name": name, **SCENARIOS[name]})


def printed_paths(estimate):
    """Return the paths in the data of an estimate, in its explanations and in its sensitivities."""
    paths = {*estimate.inputs, *estimate.missing}
    for name in ("cost", "energy", "memory"):
        try:
            paths |= {row["path"] for row in estimate.explain(name).rows()}
            paths |= {row["input"] for row in estimate.sensitivity(name)}
        except cm.MissingFactError:
            continue
    paths |= {field_of(path) for path in paths if is_settable(path)}
    for line in estimate.notes():
        start, _, listed = line.partition(": ")
        if start in {"assumed (set with --set)", "predicted, with uncertainty"}:
            paths |= set(listed.split(", "))
    return paths


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_printed_path_is_accepted_or_marked(name, tmp_path):
    run = scenario(name)
    estimate = cm.estimate(run)
    run.save(tmp_path / "run.toml")
    shown = {field_of(path): entry.shown()[0] for path, entry in estimate.inputs.items()}
    for path in printed_paths(estimate):
        value = shown.get(field_of(path), 0.5)
        if not is_settable(path):
            continue
        if field_of(path) == "mfu" and run.layout is not None:
            with pytest.raises(cm.InputError, match="mfu and layout are both given"):
                run.replace({path: value})
            continue
        value = int(value) if path == "cluster.count" else value
        changed = run.replace({path: value})
        assert changed == run.replace({field_of(path): value})
        written = dict([parse_change(f"{path}={value!r}")])
        assert cm.Scenario.load(tmp_path / "run.toml", written) == changed
        again = cm.estimate(changed)
        inputs = {field_of(other): entry for other, entry in again.inputs.items()}
        if field_of(path) in inputs:  # else the goodput or the hours replace other inputs
            assert inputs[field_of(path)].provenance.kind == "given"


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_explanation_marks_what_no_field_sets(name):
    estimate = cm.estimate(scenario(name))
    for row in estimate.explain("flops").rows():
        assert row["settable"] == is_settable(row["path"])
    assert " no " in str(estimate.explain("flops")).split("recipe.")[-1]


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("site.pue", "cluster.site.pue"),
        ("cluster.site.pue", "cluster.site.pue"),
        ("gpu_time", "gpu_hours"),
        ("recipe.1.gpu_time", "recipe.1.gpu_hours"),
        ("recipe.reached", "realized_efficiency"),
        ("reached", "realized_efficiency"),
        ("reliability.interval", "reliability.checkpoint_interval"),
        ("reliability.gpu_time_per_failure", "reliability.gpu_hours_per_failure"),
        ("reliability.overhead_share", "reliability.residual_overhead"),
        ("prices.price", "prices.price"),
    ],
)
def test_field_of_a_path(path, field):
    assert field_of(path) == field
    assert is_settable(field)


@pytest.mark.parametrize("path", ["recipe.flops_per_token", "recipe.0.train.mfu", "memory", "cluster.peak"])
def test_counts_and_predictions_are_not_settable(path):
    assert not is_settable(path)
    with pytest.raises(cm.InputError):
        scenario("planned").replace({path: 0.5})

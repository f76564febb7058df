"""No refusal of a published run that ran: every measured row and every published run has an estimate.

Rows that are flagged, for reference or speculative are left out, and rows whose source states too little.
"""

import csv

import pytest

import costmodel as cm
from costmodel.comparison.reestimation import reestimates
from costmodel.foundation.tables import folder, read_csv, table
from costmodel.training.calibration.measured_finetunes import READER as FINE_TUNES
from costmodel.training.calibration.measured_steps import READER as STEPS
from costmodel.training.calibration.measured_steps import read_steps
from costmodel.training.jobs.published import read_runs
from costmodel.validation.reports import SHIPPED

UNKNOWN = {
    "bert-large": "tokens", "t5-11b": "tokens", "meena-2.6b": "tokens", "mosaicbert-base": "tokens",
    "mosaic-sd2": "tokens", "micro-diffusion": "tokens", "chinchilla-70b": "accelerator",
    "nanochat-d26-run2": "parameters",
}  # fmt: skip
"""Visible pretraining runs without an estimate, with what their sources do not state."""


def refusal(*fields, **options):
    """Return why a scenario has no GPU-hours; an empty text if it has them."""
    try:
        hours = cm.estimate(cm.Scenario(*fields, **options)).value("gpu_hours")
    except cm.CostModelError as error:
        return str(error)
    return "" if isinstance(hours, float) and hours > 0 else str(hours)


def step_refusal(step):
    fields = {name: getattr(step, name) for name in ("sequence_length", "batch_size", "precision")}
    kind = cm.Pretraining if step.numbers.trained == 1 else cm.LoRA
    return refusal(step.architecture, kind(tokens=1e9, **fields), step.cluster, layout=step.layout)


def tune_refusal(tune):
    return refusal(tune.architecture, tune.setup.recipe, tune.cluster, layout=tune.setup.layout)


def run_refusal(run):
    recipe = cm.Pretraining(run.tokens, sequence_length=run.sequence_length, precision=run.accelerator.usual_precision)
    return refusal(run.detailed or run.architecture, recipe, cm.Cluster(run.accelerator, run.count or 1024))


def report_refusals(place):
    with (place / "reports.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if (row["figure"], row["value"].lower()) != ("fits", "false")]
    assert len(rows) >= 75
    reasons = {}
    for row in rows:
        scenario = cm.Scenario.load(place / row["scenario"])
        reasons[row["id"]] = refusal(**{name: getattr(scenario, name) for name in scenario.model_fields_set})
    return {identity: reason for identity, reason in reasons.items() if reason}


def refusals(rows, reason):
    return {row.id: text for row in rows if row.value is not None and (text := reason(row.value))}


def test_every_measured_step_runs_in_its_layout():
    rows = STEPS.rows(table("measurements/step_times"))
    impossible = [row.problems for row in rows if row.value is None and not row.flagged]
    assert len(impossible) == 1 and "expert × expert_tensor (64 × 1) must divide" in impossible[0][0]
    assert sum(row.value is not None for row in rows) >= 443
    tuned = [row for row in rows if row.value is None or not row.value.untuned]  # others leave recomputation open
    assert refusals(tuned, step_refusal) == {}


def test_every_step_of_the_published_table_runs(shared):
    published = STEPS.rows(read_csv(shared / "measurements" / "step_times.csv"))
    rows = STEPS.rows(table("measurements/step_times"))[: len(published)]
    shipped = {row.id for row in rows if row.value is not None}
    assert {row.id for row in published if row.value is not None} >= shipped
    assert refusals(published, step_refusal) == {}


def test_every_measured_fine_tune_runs_in_its_layout():
    rows = FINE_TUNES.rows(table("measurements/finetunes"))
    assert [row.id for row in rows if row.value is None] == []
    assert refusals(rows, tune_refusal) == {}


def test_every_fine_tune_of_the_published_table_runs(shared):
    rows = FINE_TUNES.rows(read_csv(shared / "measurements" / "finetune.csv"))
    assert sum(row.value is not None for row in rows) >= 67
    assert refusals(rows, tune_refusal) == {}


def test_every_published_pretraining_has_an_estimate():
    result = reestimates()
    refused = {
        run.id: result.skipped[run.id]
        for run in result.runs
        if run.id in result.skipped and run.kind == "pretrain" and not (run.reference or run.speculative)
    }
    assert refused.keys() == UNKNOWN.keys()
    for identity, reason in refused.items():
        assert UNKNOWN[identity] in reason and ("not known" in reason), identity


def test_every_published_run_with_gpu_hours_runs(shared):
    for rows in (table("measurements/published_runs"), read_csv(shared / "measurements" / "published_runs.csv")):
        runs, _ = read_runs(rows)
        assert len(runs) >= 33
        assert {run.id: text for run in runs if (text := run_refusal(run))} == {}


def test_every_field_report_that_fits_has_an_estimate():
    assert report_refusals(folder() / SHIPPED) == {}


def test_every_field_report_in_older_files_has_an_estimate(shared):
    assert report_refusals(shared / "measurements" / "field_reports") == {}


# Why runs were refused


def ppo(**cluster):
    recipe = cm.PPO(
        examples=131_900, lengths=256, prompt_length=256, sequence_length=512, batch_size=1024, iterations=1,
        reward_model="opt-350m", critic="opt-350m",
    )  # fmt: skip
    return cm.Scenario("opt-66b", recipe, cm.Cluster("A100-80GB-SXM", 8, **cluster))


def test_fine_tuning_offloads_optimizer_states_where_nothing_else_fits():
    """DeepSpeed-Chat trained OPT-66B by PPO on 8 × A100 80 GB in 50.4 hours (deepspeedai/DeepSpeed, blogs)."""
    result = cm.estimate(ppo())
    assert result.layout.offload_optimizer and result.fit_probability > 0.5
    low, high = result.bounds("wall_time")
    assert low < 50.4 * 3600 < high


def test_offloading_needs_the_host_memory():
    with pytest.raises(cm.InputError, match="fits on no layout"):
        cm.estimate(ppo(host_memory=256))


def test_embedding_and_head_take_places_in_an_interleaved_pipeline():
    """Llama 3.1 405B has 126 layers; Megatron-Bridge runs it with 16 stages of 8 chunks."""
    recipe, cluster = cm.Pretraining("1T", sequence_length=8192, batch_size=1536), cm.Cluster("GB200", 256)
    layout = cm.Layout(data=4, tensor=4, pipeline=16, interleave=8, zero=1, recompute="full")
    assert refusal("llama-3.1-405b", recipe, cluster, layout=layout) == ""
    reason = refusal("llama-3.1-405b", recipe, cluster, layout=layout.replace(interleave=9))
    assert "exceeds the number of layers, with embedding and LM head" in reason


def test_a_step_that_leaves_recomputation_open_has_the_least_that_fits():
    steps, _ = read_steps(table("measurements/step_times"))
    by_recompute = {step.layout.recompute for step in steps if "recompute" in step.open}
    assert by_recompute == {"none", "selective"}
    for step in steps:
        if step.layout.recompute == "full" and "recompute" in step.open:
            less = step._replace(layout=step.layout.replace(recompute="selective"))
            used = cm.step_time(
                step.architecture, step.cluster,
                cm.Pretraining(1e9, sequence_length=step.sequence_length, batch_size=step.batch_size,
                               precision=step.precision),
                less.layout,
            )  # fmt: skip
            assert not used.fits, step.id


def test_states_of_a_paged_optimizer_wait_in_host_memory():
    tunes = [row.value for row in FINE_TUNES.rows(table("measurements/finetunes")) if row.value.setup.paged]
    assert tunes
    for tune in tunes:
        assert tune.setup.layout.offload_optimizer and not tune.step.layout.offload_optimizer

"""`costmodel forecast`: a log, a single figure, changes, and what it says of bad input."""

import json

import pytest

RUN = """
architecture = "llama-3.1-8b"
mfu = 0.4

[recipe]
tokens = "16.8B"
sequence_length = 8192
batch_size = 512

[cluster]
accelerator = "H100-SXM"
count = 64

[prices]
price = "2 USD/hour"
"""


@pytest.fixture
def run(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(RUN, encoding="utf-8")
    return path


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "log.jsonl"
    rows = ({"step": step, "elapsed": 10.0 * step, "loss": 3.0} for step in range(10, 1001, 10))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_log(costmodel, run, log):
    outcome = costmodel("forecast", run, "--log", log, "--start", "2026-09-01T00:00")
    assert outcome.code == 0 and outcome.err == ""
    assert "1,000 of\n  4,006 steps done" in outcome.out and "end: 2026-09-01 1" in outcome.out
    assert max(len(line) for line in outcome.out.splitlines()) <= 80


def test_single_figures_and_changes(costmodel, run):
    arguments = ("forecast", run, "--done", "1000", "--steps", "4000", "--set", "prices.price=1", "--json")
    step = json.loads(costmodel(*arguments, "--step-time", "10 s").out)
    rate = json.loads(costmodel(*arguments, "--tokens-per-second", "419.4k token/s").out)
    assert step["figures"]["steps"]["left"] == 3000
    assert rate["step_time"] == pytest.approx(10, rel=1e-3)
    assert step["figures"]["cost"]["done"] == pytest.approx(rate["figures"]["cost"]["done"], rel=1e-3)


def test_bad_input_is_refused(refused, run, log, tmp_path):
    assert "give one of measured (a log), step_time and tokens_per_second; got none" in refused("forecast", run)[0]
    other = tmp_path / "log.csv"
    other.write_text("loss,lr\n3.0,1e-4\n", encoding="utf-8")
    problems = refused("forecast", run, "--log", other)
    assert len(problems) == 2 and "no column of steps; found: loss, lr" in problems[0]


def test_the_score_on_published_logs(costmodel):
    outcome = costmodel("validate", "forecast")
    assert outcome.code == 0
    assert "45 of 45 cases scored; error of total times" in outcome.out
    assert "cut at 20% (15)" in outcome.out

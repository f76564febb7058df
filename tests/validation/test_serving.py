"""Scores of the serving model with models and accelerators left out, and the columns of its rows."""

import pytest
from typer.testing import CliRunner

from costmodel.cli.app import app
from costmodel.foundation.errors import InputError
from costmodel.foundation.tables import Table
from costmodel.refit.result import fit_input
from costmodel.refit.serving import INPUT
from costmodel.validation.serving import validate_serving

ROW = {
    "model": "meta-llama/Llama-3.1-8B-Instruct",
    "precision": "bfloat16",
    "task": "lm-arena-chat",
    "accelerator": "H100-SXM",
    "n_gpus": "1",
    "avg_batch": "127.62",
    "avg_output_len": "404.6",
    "output_tok_per_s": "7036.5",
    "parallel": "",
}


def of(*rows):
    return Table("some", rows, tuple(rows[0]), "")


@pytest.fixture(scope="module")
def scored():
    return validate_serving(fit_input(INPUT))


@pytest.mark.parametrize(
    ("left_out", "group", "most"),
    [
        ("none", "2025 and later", 0.16),
        ("model", "2025 and later, dense", 0.20),
        ("model", "2025 and later, moe", 0.34),
        ("accelerator", "2025 and later", 0.27),
        ("model", "2024", 0.26),
    ],
)
def test_geometric_mean_error_of_times_per_token(scored, left_out, group, most):
    assert scored["left_out"][left_out]["groups"][group]["geometric_mean_error"] <= most


@pytest.mark.parametrize("left_out", ["model", "accelerator"])
def test_intervals_hold_as_many_rows_as_they_say(scored, left_out):
    found = scored["left_out"][left_out]
    for part in (found, *found["groups"].values()):
        assert 0.75 <= part["coverage"]["0.8"] <= 0.92


def test_every_row_of_the_fit_is_scored_and_grouped(scored):
    assert scored["scored"] == scored["cases"] == 2688
    for name in ("accelerator", "engine", "precision", "kind", "source"):
        assert sum(group["scored"] for group in scored["by"][name].values()) == scored["scored"]
    assert set(scored["by"]["kind"]) == {"dense", "moe"}
    assert scored["check"]["scored"] == 361 and "one B200, gpqa, Qwen3" in scored["check"]["by"]


def test_a_model_of_the_fit_is_predicted_without_it():
    known, new = validate_serving(of(ROW, {**ROW, "model": "gemma-2-9b"}))["families"]
    assert (known, new) == ("gemma-2-9b", "llama-3.1-8b")
    row = validate_serving(of(ROW))["rows"][0]
    assert row["low"] < row["measured"] < row["high"]


def test_rows_that_cannot_be_scored_say_why():
    wrong = {
        "unknown architecture": {"model": "nobody/Secret-9B"},
        "batch_size must be a number, without a unit; got 'many'": {"avg_batch": "many"},
        "batch_size or concurrency must be given": {"avg_batch": ""},
        "unknown accelerator": {"accelerator": "B900"},
        "task: unknown word 'riddles'; accepted: gpqa": {"task": "riddles"},
        "prompt_length is not given": {"task": ""},
        "parallel: must be a JSON object; got '{'": {"parallel": "{"},
        "parallel: tensor_parallel must be a whole number": {"parallel": '{"tensor_parallel": "all"}'},
        "precision: unknown word 'fp3'; accepted: ": {"precision": "fp3"},
    }
    rows = validate_serving(of(*({**ROW, **cells} for cells in wrong.values()), ROW))["rows"]
    for row, reason in zip(rows, wrong, strict=False):
        assert reason in row["skipped"]
    assert rows[-1]["skipped"] is None


def test_names_of_the_api_are_read_like_those_of_older_files():
    older = {
        "n_gpus": "count",
        "avg_batch": "batch_size",
        "avg_output_len": "output_length",
        "output_tok_per_s": "tokens_per_second",
    }
    row = {older.get(name, name): cell for name, cell in ROW.items() if name != "parallel"}
    assert validate_serving(of(row))["rows"] == validate_serving(of(ROW))["rows"]


@pytest.mark.parametrize("label", ["", "DP for attention", "TensorRT 2024, B200"])
def test_a_label_changes_no_score(label):
    plain, labeled = validate_serving(of(ROW)), validate_serving(of({**ROW, "source": label, "note": label}))
    assert labeled["rows"] == plain["rows"] and labeled["families"] == plain["families"]


def test_missing_and_unknown_columns_are_errors():
    with pytest.raises(InputError, match=r"need the columns model, precision.*; missing: precision, accelerator"):
        validate_serving(of({"model": "llama-3.1-8b"}))
    with pytest.raises(InputError, match="unknown column 'avg_bach' of measured serving; did you mean"):
        validate_serving(of({**ROW, "avg_bach": "1"}))


def test_each_figure_is_scored_apart(scored):
    inside, outside = (scored["left_out"][name]["figure"] for name in ("none", "model"))
    assert inside["tpot"]["geometric_mean_error"] <= 0.10
    assert outside["energy"]["geometric_mean_error"] <= 0.18 and outside["energy"]["median_ape"] <= 0.13
    assert inside["ttft"]["geometric_mean_error"] <= 0.20
    assert scored["by"]["figure"] == outside
    assert [inside[name]["scored"] for name in ("tpot", "ttft", "energy")] == [210, 210, 353]


def test_one_measured_row_of_the_stack_shrinks_the_error(scored):
    before = scored["left_out"]["model"]["groups"]["2025 and later"]["geometric_mean_error"]
    own = scored["own_row"]
    assert own["geometric_mean_error"] <= 0.19 < before
    assert 0.75 <= own["coverage"]["0.8"] <= 0.92


def test_the_roofline_is_far_below_the_measurements(scored):
    assert scored["roofline"]["groups"]["2025 and later"]["geometric_mean_error"] > 2
    assert scored["roofline"]["bias"] < -1


def test_scores_are_printed_by_group():
    done = CliRunner().invoke(app, ["validate", "serving"], env={"COLUMNS": "200"})
    assert done.exit_code == 0
    for line in ("2025 and later, model left out (789)", "engine: sglang (171)", "figure: energy (353)"):
        assert line in done.output


def test_the_tables_of_the_page_are_what_the_command_computes(scored, root):
    page = (root / "docs" / "serving.md").read_text(encoding="utf-8")
    readme = (root / "README.md").read_text(encoding="utf-8")
    left_out = scored["left_out"]

    def row(name, key):
        parts = [left_out[way][key][name] for way in ("none", "model", "accelerator")]
        errors = " | ".join(f"{part['geometric_mean_error']:.1%}".replace("%", " %") for part in parts)
        return f"| {name} | {parts[0]['scored']} | {errors} |"

    assert all(row(name, "groups") in page for name in left_out["none"]["groups"])
    assert all(row(name, "figure") in page for name in left_out["none"]["figure"])
    for key in ("accelerator", "engine", "precision", "kind", "source"):
        for name, part in scored["by"][key].items():
            error = f"{part['geometric_mean_error']:.1%}".replace("%", " %")
            inside = f"{part['coverage']['0.8']:.0%}"
            assert f"| {key}: {name} | {part['scored']} | {error} | {part['bias']:+.2f} | {inside} |" in page
    short = f"{scored['scored']} | {scored['median_ape']:.0%} | {scored['coverage']['0.8']:.0%}"
    assert f"| time per output token of serving | {short} |" in readme

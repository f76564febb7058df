"""Score of the decode model with each model left out, and the columns of its rows."""

import math

import pytest

from costmodel.foundation.errors import InputError
from costmodel.foundation.tables import Table, table
from costmodel.refit.decode import INPUT, fit_all
from costmodel.refit.result import fit_input
from costmodel.serving.efficiency import PRIORS, default_efficiency
from costmodel.serving.measured import read_decodes
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
def measured():
    return fit_input(INPUT)


@pytest.fixture(scope="module")
def fitted(measured):
    return fit_all(read_decodes(measured)[0])


def only(measured, gpu):
    return Table(
        "some", tuple(row for row in measured.rows if row["accelerator"].startswith(gpu)), measured.columns, ""
    )


def error(scored):
    logs = [math.log(row["predicted"] / row["measured"]) for row in scored["rows"] if row["skipped"] is None]
    return math.expm1(sum(abs(log) for log in logs) / len(logs))


@pytest.mark.parametrize(("gpu", "scored", "bound"), [("H100", 162, 0.19), ("B200", 177, 0.30)])
def test_models_left_out(measured, gpu, scored, bound):
    found = validate_serving(only(measured, gpu))
    assert found["scored"] == scored and found["kind"] == "serving"
    assert error(found) <= bound
    assert 0.72 <= found["coverage"]["0.8"] <= 0.88
    assert "llama-3.1-8b" in found["families"]


def test_errors_in_the_fit(fitted):
    assert math.expm1(abs(fitted.inside[fitted.prepared.generations == "hopper"]).mean()) <= 0.15


def test_the_shipped_constants_are_those_of_the_fit(fitted):
    shipped = default_efficiency()
    assert shipped.values == pytest.approx(fitted.values, rel=0.001)
    assert shipped.spreads == pytest.approx(fitted.spreads, rel=0.01)
    for row in table("fitted/folds/decode").rows:
        fold = fitted.folds[row["model"]]
        assert all(float(row[name]) == pytest.approx(fold[name], rel=0.001) for name in PRIORS if name in row)


def test_a_model_of_the_fit_is_predicted_without_it():
    known, new = validate_serving(of(ROW, {**ROW, "model": "llama-2-7b"}))["families"]
    assert (known, new) == ("llama-2-7b", "llama-3.1-8b")
    row = validate_serving(of(ROW))["rows"][0]
    assert row["low"] < row["measured"] < row["high"]


def test_rows_that_cannot_be_scored_say_why():
    wrong = {
        "unknown architecture": {"model": "nobody/Secret-9B"},
        "data-parallel attention in a replica is not modeled": {"parallel": '{"data_parallel": 4}'},
        "batch_size must be a number, without a unit; got 'many'": {"avg_batch": "many"},
        "unknown accelerator": {"accelerator": "B900"},
        "task: unknown word 'riddles'; accepted: gpqa": {"task": "riddles"},
        "prompt_length or task is not given": {"task": ""},
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
def test_a_label_changes_nothing(label):
    assert validate_serving(of({**ROW, "source": label, "note": label})) == validate_serving(of(ROW))


def test_missing_and_unknown_columns_are_errors():
    with pytest.raises(InputError, match=r"need the columns model, precision.*; missing: precision, accelerator"):
        validate_serving(of({"model": "llama-3.1-8b"}))
    with pytest.raises(InputError, match="unknown column 'avg_bach' of measured decode throughputs; did you mean"):
        validate_serving(of({**ROW, "avg_bach": "1"}))

"""Scores of the counts of a folder of configs, by model."""

import json

import pytest

import costmodel as cm
from costmodel.validation.configs import summary, validate_configs

GPT2 = {"model_type": "gpt2", "n_embd": 64, "n_layer": 2, "n_head": 4, "vocab_size": 100, "n_positions": 16}
HEADER = "model,model_type,total_params,active_params,embedding_params\n"


@pytest.fixture
def folder(tmp_path):
    total = cm.load_architecture(GPT2).parameters.total
    embedding = 116 * 64
    (tmp_path / "good.json").write_text(json.dumps(GPT2), encoding="utf-8")
    (tmp_path / "off.json").write_text(json.dumps(GPT2 | {"n_inner": 100}), encoding="utf-8")
    (tmp_path / "strange.json").write_text(json.dumps({"model_type": "strange"}), encoding="utf-8")
    rows = [f"{name},gpt2,{total},{total},{embedding}" for name in ("good", "off", "strange", "absent")]
    (tmp_path / "params.csv").write_text(HEADER + "\n".join(rows) + "\n", encoding="utf-8")
    flops = cm.count_flops(cm.load_architecture(GPT2), 16, 2, attention="full").forward
    (tmp_path / "flops.csv").write_text(
        f"model,seq_len,batch,forward_flops\ngood,16,2,{flops:.0f}\ngood,16,1,1\n", encoding="utf-8"
    )
    return tmp_path


def test_configs_are_scored_as_equal_wrong_or_refused(folder):
    scored = validate_configs(folder)
    assert (scored["cases"], scored["equal"], scored["wrong"], scored["refused"]) == (4, 1, 1, 2)
    verdicts = {row["id"]: (row["equal"], row["skipped"]) for row in scored["rows"]}
    assert verdicts["good"] == (True, None)
    assert verdicts["off"][0] is False
    assert "no reader is known for 'strange'" in verdicts["strange"][1]
    assert "cannot be read" in verdicts["absent"][1]
    assert [each["counted"] == each["expected"] for each in scored["rows"][0]["flops"]] == [True, False]
    assert [row["model"] for row in summary(scored)] == ["good", "off", "strange", "absent"]


def test_a_table_without_its_columns_is_refused(folder):
    (folder / "params.csv").write_text("model,total_params\ngood,1\n", encoding="utf-8")
    with pytest.raises(cm.InputError, match="active_params"):
        validate_configs(folder)


def test_no_visible_config_is_counted_wrong(shared):
    scored = validate_configs(shared / "configs")
    assert scored["wrong"] == 0
    assert scored["mape"] == 0
    assert scored["equal"] == scored["cases"] >= 85

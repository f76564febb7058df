"""`costmodel estimate` on trainers' files: the result, the notes on keys, and the right command for other files."""

import json
from pathlib import Path

import pytest

import costmodel as cm

pytest.importorskip("yaml", reason="needs pyyaml (costmodel[yaml])")
FOLDER = Path(__file__).parent.parent / "estimation" / "trainers"


def test_a_file_prints_its_result_and_what_became_of_its_keys(costmodel, tmp_path):
    file = tmp_path / "run.yml"
    text = (FOLDER / "llama_factory_lora.yaml").read_text(encoding="utf-8")
    file.write_text(f"{text}\nnovel_kernel: fast\n", encoding="utf-8")
    arguments = ("estimate", file, "--gpu", "H100", "--gpus", 8, "--examples", "1k", "--lengths", "100 to 800")
    outcome = costmodel(*arguments)
    assert outcome.code == 0 and "llama-3-8b, lora" in outcome.out and "cost (final run)" in outcome.out
    assert "read as a file of LLaMA-Factory: 12 keys" in outcome.out
    assert "not understood, and without effect here: novel_kernel" in outcome.out
    printed = json.loads(costmodel(*arguments, "--json", "--save", tmp_path / "run.toml").out)
    assert cm.Scenario.load(tmp_path / "run.toml") == cm.Scenario.from_data(printed["scenario"])
    assert printed["trainer_file"]["not_understood"] == ["novel_kernel"]
    assert printed["figures"]["cost"]["value"] > 0


def test_options_beside_the_file(costmodel):
    given = ("--gpu", "H100", "--examples", 61000, "--lengths", 500, "--accelerate", FOLDER / "accelerate_zero3.yaml")
    outcome = costmodel("estimate", FOLDER / "trl_dpo.yaml", *given, "--method", "dpo", "--model", "qwen2.5-7b")
    assert "qwen2.5-7b, dpo" in outcome.out and "8 × H100-SXM" in outcome.out


def test_a_wrong_kind_of_file_names_its_command(refused, tmp_path):
    assert "--deepspeed FILE" in refused("estimate", FOLDER / "deepspeed" / "zero3.json")[0]
    state = tmp_path / "trainer_state.json"
    state.write_text('{"log_history": [], "global_step": 3}', encoding="utf-8")
    assert "costmodel forecast" in refused("estimate", state)[0]
    assert "does not exist" in refused("estimate", tmp_path / "none.yml")[0]
    assert refused("estimate", "llama-3.1-8b", "--method", "dpo") == [
        "--method is for trainers' files; llama-3.1-8b is none"
    ]


def test_a_params_json_is_a_model_and_a_yaml_file_no_scenario(costmodel, refused, tmp_path):
    params = {"dim": 2048, "n_layers": 16, "n_heads": 32, "n_kv_heads": 8, "vocab_size": 128256, "multiple_of": 256,
              "ffn_dim_multiplier": 1.5}  # fmt: skip
    (tmp_path / "params.json").write_text(json.dumps(params), encoding="utf-8")
    given = ("--tokens", "1B", "--gpu", "H100", "--gpus", 8, "--json")
    printed = json.loads(costmodel("estimate", tmp_path / "params.json", *given).out)
    assert printed["scenario"]["architecture"] == str(tmp_path / "params.json")
    assert "--save run.toml" in refused("compare", FOLDER / "unsloth.yaml", FOLDER / "unsloth.yaml")[0]
    assert refused("finetune", FOLDER / "unsloth.yaml", "--tokens", "1M")

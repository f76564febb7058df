"""Commands that take a folder with weights or a weight file in place of a model."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

SHAPES = {"model.embed_tokens.weight": (640, 256), "model.norm.weight": (256,)}
for index in range(2):
    PREFIX = f"model.layers.{index}"
    SHAPES |= {f"{PREFIX}.self_attn.{name}_proj.weight": (256, 256) for name in "qkvo"}
    SHAPES |= {f"{PREFIX}.mlp.{name}_proj.weight": (512, 256) for name in ("gate", "up")}
    SHAPES |= {f"{PREFIX}.mlp.down_proj.weight": (256, 512), f"{PREFIX}.input_layernorm.weight": (256,)}
TOTAL = sum(int(np.prod(shape)) for shape in SHAPES.values())


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "acme"
    path.mkdir()
    save_file({name: np.zeros(shape, np.float16) for name, shape in SHAPES.items()}, path / "model.safetensors")
    (path / "config.json").write_text(json.dumps({"model_type": "acme", "num_attention_heads": 4}), encoding="utf-8")
    return path


def test_models_shows_a_folder_and_a_file_with_their_source(costmodel, folder):
    for path in (folder, folder / "model.safetensors"):
        shown = json.loads(costmodel("models", path, "--json").out)
        assert shown["total"] == TOTAL
        assert shown["source"] == f"counted from the tensors of {path}"
        assert sum(part["parameters"] for part in shown["parts"][:-1]) == TOTAL


def test_estimate_and_finetune_take_a_folder(costmodel, folder):
    cluster = ("--gpu", "H100-SXM", "--gpus", "8")
    run = costmodel("estimate", folder, "--tokens", "1B", *cluster)
    assert run.code == 0, run.err
    assert "acme, pretraining on 1.00B tokens" in run.out
    tuned = costmodel("finetune", folder, "--method", "lora", "--tokens", "1M", *cluster)
    assert tuned.code == 0, tuned.err


def test_scenario_file_takes_a_folder(costmodel, folder, tmp_path):
    scenario = tmp_path / "run.toml"
    scenario.write_text(
        f'architecture = "{folder}"\nrecipe = {{ kind = "pretraining", tokens = "1B" }}\n'
        'cluster = { accelerator = "H100-SXM", count = 8 }\n',
        encoding="utf-8",
    )
    run = costmodel("estimate", scenario)
    assert run.code == 0, run.err
    assert "acme" in run.out


def test_damaged_weights_are_one_line_of_error(refused, folder):
    (folder / "model.safetensors").write_bytes(b"\xff" * 100)
    (problem,) = refused("models", folder)
    assert "is not a safetensors file" in problem


def test_config_that_does_not_describe_its_weights_is_refused(refused, folder):
    llama = {
        "model_type": "llama",
        "hidden_size": 256,
        "intermediate_size": 640,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "vocab_size": 640,
        "tie_word_embeddings": True,
    }
    (folder / "config.json").write_text(json.dumps(llama), encoding="utf-8")
    text = "\n".join(refused("models", folder))
    assert "by the config" in text
    assert "layer 0" in text

"""Trainers' files with keys that contradict each other, or that no trainer accepts: refused, or noted."""

import pytest

import costmodel as cm

pytest.importorskip("yaml")
AXOLOTL = {
    "base_model": "NousResearch/Meta-Llama-3-8B",
    "adapter": "qlora",
    "load_in_4bit": True,
    "lora_r": 32,
    "lora_target_linear": True,
    "sequence_len": 4096,
    "sample_packing": True,
    "micro_batch_size": 2,
    "gradient_accumulation_steps": 4,
    "num_epochs": 3,
    "optimizer": "adamw_torch",
    "gradient_checkpointing": True,
    "bf16": True,
    "flash_attention": True,
}
FACTORY = {
    "model_name_or_path": "Qwen/Qwen2.5-7B-Instruct",
    "stage": "sft",
    "finetuning_type": "full",
    "cutoff_len": 2048,
    "per_device_train_batch_size": 1,
    "gradient_accumulation_steps": 2,
    "num_train_epochs": 3,
    "bf16": True,
}
TRL = {
    "model_name_or_path": "meta-llama/Llama-3.1-8B",
    "per_device_train_batch_size": 4,
    "gradient_accumulation_steps": 8,
    "num_train_epochs": 2,
    "bf16": True,
    "max_length": 2048,
    "use_peft": True,
    "lora_r": 16,
    "lora_target_modules": ["q_proj", "v_proj"],
}


def read(folder, data):
    import yaml

    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return cm.read_trainer_file(path, "H100-SXM", 8, examples=20_000, lengths=500)


@pytest.mark.parametrize(
    ("base", "changes", "message"),
    [
        (AXOLOTL, {"adapter": None}, "load_in_4bit: weights of 4 bits are trained with adapters only"),
        (FACTORY, {"quantization_bit": 4}, "quantization_bit: weights of 4 bits are trained with adapters only"),
        (TRL, {"use_peft": False, "load_in_8bit": True}, "load_in_8bit: weights of 8 bits are trained with adapters"),
        (AXOLOTL, {"rl": "other"}, "rl: must be one of dpo, .*; got 'other'"),
        (FACTORY, {"stage": "dpo", "pref_loss": "other"}, "pref_loss: must be one of orpo, .*; got 'other'"),
        (AXOLOTL, {"num_epochs": 0}, "recipe.epochs: must be a number above 0"),
        (TRL, {"fp16": True}, "bf16, fp16: at most one"),
        (TRL, {"fsdp": "full_shard", "deepspeed": {"zero_optimization": {"stage": 3}}}, "deepspeed, fsdp: the file"),
        (
            TRL,
            {"fsdp": "full_shard", "fsdp_config": {"fsdp_sharding_strategy": "OTHER"}},
            "fsdp_sharding_strategy: must be one of full_shard, .*; got 'other'",
        ),
    ],
)
def test_values_that_no_trainer_accepts_are_refused(tmp_path, base, changes, message):
    with pytest.raises(cm.InputError, match=message):
        read(tmp_path, base | changes)


@pytest.mark.parametrize(
    ("base", "changes", "note"),
    [
        (AXOLOTL, {"lora_modules_to_save": ["score"]}, "lora_modules_to_save: score counts as frozen"),
        (
            FACTORY,
            {"finetuning_type": "lora", "additional_target": "score"},
            "additional_target: score counts as frozen",
        ),
        (TRL, {"use_peft": None}, "use_peft is not stated"),
        (TRL, {"deepspeed": {"gradient_accumulation_steps": 2}}, "2 of the DeepSpeed configuration, not 8"),
        (TRL, {"deepspeed": {"train_batch_size": 64}}, "train_batch_size 64 of the DeepSpeed configuration"),
        (TRL, {"padding_free": True}, "no padding, since padding_free is on"),
    ],
)
def test_what_a_file_changes_beside_its_usual_keys_is_noted(tmp_path, base, changes, note):
    assert any(note in line for line in read(tmp_path, base | changes).assumed)


@pytest.mark.parametrize(
    ("base", "key", "value"),
    [(AXOLOTL, "gptq", True), (FACTORY, "modules_to_save", "embed_tokens"), (AXOLOTL, "dp_shard_size", 2)],
)
def test_keys_that_shape_a_run_and_are_not_read_are_listed(tmp_path, base, key, value):
    assert read(tmp_path, base | {key: value}).not_understood == (key,)


def test_a_loss_of_supervised_fine_tuning_does_not_make_a_file_one_of_preferences(tmp_path):
    assert read(tmp_path, TRL | {"loss_type": "nll"}).scenario.recipe.kind == "lora"
    assert read(tmp_path, TRL | {"loss_type": "ipo"}).scenario.recipe.kind == "dpo"


def test_offloaded_activations_of_trl_are_offloaded(tmp_path):
    assert read(tmp_path, TRL | {"activation_offloading": True}).scenario.layout.offload_activations

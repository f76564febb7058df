"""Trainers' files: each becomes the scenario that a person writes for the same run, with equal memory and time."""

import copy
import json
import random
from contextlib import suppress
from pathlib import Path

import pytest

import costmodel as cm
from costmodel.estimation.trainers.reading import is_trainer_file
from costmodel.foundation.plain_files import parsed

pytest.importorskip("yaml", reason="needs pyyaml (costmodel[yaml])")
FOLDER = Path(__file__).parent
OFFLOAD = {"offload_weights": True, "offload_optimizer": True}
PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def tuned(recipe, **fields):
    return recipe(software=fields.pop("software", "axolotl"), packing=fields.pop("packing", False), **fields)


CASES = {
    "axolotl_qlora_fsdp.yaml": (
        {"accelerator": "A100-80GB", "count": 2, "examples": 52_000},
        cm.Scenario(
            "llama-3-70b",
            tuned(cm.QLoRA, examples=49_400, lengths=512, epochs=4, padding_group=1, sequence_length=512, batch_size=8,
                  rank=8),
            cm.Cluster("A100-80GB", 2),
            layout=cm.Layout(data=2, zero=3, recompute="full", attention="flash-2", eager=True, **OFFLOAD),
        ),
    ),
    "axolotl_full_deepspeed.yaml": (
        {"accelerator": "H100", "count": 8, "examples": "52k", "lengths": "100 to 400"},
        cm.Scenario(
            "llama-3-8b",
            tuned(cm.FullFineTuning, examples=49_400, lengths="100 to 400", packing=True, sequence_length=8192,
                  batch_size=64, optimizer="adamw-8bit"),
            cm.Cluster("H100", 8),
            layout=cm.Layout(data=8, zero=3, recompute="full", attention="flash-2", eager=True),
        ),
    ),
    "llama_factory_lora.yaml": (
        {"accelerator": "RTX-4090", "count": 1, "examples": 5000, "lengths": "60 to 400"},
        cm.Scenario(
            "llama-3-8b",  # at most 1000 examples of each of two datasets
            tuned(cm.LoRA, software="LLaMA-Factory", examples=2000, lengths="60 to 400", epochs=3, padding_group=1,
                  sequence_length=2048, batch_size=8, rank=8),
            cm.Cluster("RTX-4090", 1),
            layout=cm.Layout(zero=0, recompute="full", attention="flash-2", eager=True),
        ),
    ),
    "llama_factory_full_ds3.yaml": (
        {"accelerator": "A100-80GB", "count": 4, "examples": 1091, "lengths": "60 to 400"},
        cm.Scenario(
            "llama-3-8b",
            tuned(cm.FullFineTuning, software="LLaMA-Factory", examples=1091, lengths="60 to 400", epochs=3,
                  padding_group=1, sequence_length=2048, batch_size=8),
            cm.Cluster("A100-80GB", 4),
            layout=cm.Layout(data=4, zero=3, recompute="full", attention="flash-2", eager=True, overlap_data=False,
                             **OFFLOAD),
        ),
    ),
    "trl_dpo.yaml": (
        {"accelerator": "H100", "examples": 61_000, "lengths": "200 to 900",
         "accelerate": FOLDER / "accelerate_zero3.yaml"},
        cm.Scenario(
            "mistral-7b",  # 8 pairs are 16 sequences
            tuned(cm.DPO, software="TRL", examples=61_000, lengths="200 to 900", padding_group=16, sequence_length=1024,
                  batch_size=256),
            cm.Cluster("H100", 8),
            layout=cm.Layout(data=8, micro_batch=16, zero=3, recompute="full", attention="flash-2", eager=True),
        ),
    ),
    "trl_grpo.yaml": (
        {"accelerator": "H100", "count": 8, "examples": 70_000, "lengths": "200 to 900"},
        cm.Scenario(
            "qwen2.5-1.5b",  # one of the eight GPUs generates
            tuned(cm.GRPO, software="TRL", examples=70_000, lengths="200 to 900", padding_group=16,
                  sequence_length=1536, batch_size=16 * 16 * 7, group_size=7, rollout_gpus=1,
                  gpu_memory_utilization=0.7, reference=False, master_weights=False),
            cm.Cluster("H100", 8),
            layout=cm.Layout(data=7, micro_batch=16, zero=0, recompute="full", attention="flash-2", eager=True),
        ),
    ),
    "unsloth.yaml": (
        {"accelerator": "L4", "count": 1, "lengths": "200 to 900"},
        cm.Scenario(
            "llama-3.1-8b",  # 400 steps of 8 sequences
            tuned(cm.QLoRA, software="unsloth", examples=3200, lengths="200 to 900", padding_group=2,
                  sequence_length=2048, batch_size=8, optimizer="adamw-8bit", targets=PROJECTIONS),
            cm.Cluster("L4", 1),
            layout=cm.Layout(micro_batch=2, zero=0, recompute="full", attention="flash-2", loss="chunked",
                             offload_activations=True),
        ),
    ),
    "torchtune_lora.yaml": (
        {"accelerator": "A100-80GB", "count": 2, "examples": 52_000, "lengths": "60 to 400"},
        cm.Scenario(
            "llama-3.1-8b",
            tuned(cm.LoRA, software="eager", examples=52_000, lengths="60 to 400", padding_group=2,
                  sequence_length=2048, batch_size=128, rank=8, targets=("q_proj", "v_proj"), master_weights=False),
            cm.Cluster("A100-80GB", 2),
            layout=cm.Layout(data=2, micro_batch=2, zero=3, attention="flash-2", loss="chunked", eager=True),
        ),
    ),
    "torchtune_full.yaml": (
        {"accelerator": "A100-80GB", "count": 8, "tokens": "10M"},
        cm.Scenario(
            "llama-3.1-70b",
            tuned(cm.FullFineTuning, software="torchtune", tokens="10M", epochs=3, packing=True, sequence_length=4096,
                  batch_size=16, master_weights=False),
            cm.Cluster("A100-80GB", 8),
            layout=cm.Layout(data=8, micro_batch=2, zero=3, recompute="full", attention="flash-2", loss="chunked",
                             **OFFLOAD),
        ),
    ),
    "torchtitan_llama3_8b.toml": (
        {"accelerator": "A100-80GB", "count": 64},
        cm.Scenario(
            "llama-3-8b",
            cm.Pretraining(1000 * 64 * 8192, sequence_length=8192, batch_size=64, software="torchtitan"),
            cm.Cluster("A100-80GB", 64),
            layout=cm.Layout(data=64, zero=3, recompute="selective", attention="flash-2"),
        ),
    ),
    "megatron_llama3_8b.sh": (
        {"accelerator": "H100"},
        cm.Scenario(
            "llama-3-8b",
            cm.Pretraining(1_953_125 * 8192, sequence_length=8192, batch_size=128, precision="fp8",
                           software="Megatron-LM"),
            cm.Cluster("H100", 16),
            layout=cm.Layout(data=4, tensor=2, pipeline=2, loss="fused"),
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_file_is_the_scenario_written_by_hand(name):
    options, expected = CASES[name]
    read = cm.read_trainer_file(FOLDER / name, **options)
    own, other = cm.estimate(read.scenario), cm.estimate(expected)
    assert read.scenario.layout == expected.layout
    assert read.scenario.recipes == expected.recipes
    for figure in ("memory", "wall_time", "cost", "flops"):
        assert own.value(figure) == other.value(figure), figure
    assert read.not_understood == ()
    assert read.read and read.ignored


def test_every_key_of_a_file_is_in_one_of_three_lists(tmp_path):
    text = (FOLDER / "axolotl_full_deepspeed.yaml").read_text(encoding="utf-8").replace("deepspeed: ", "unused: ")
    file = tmp_path / "run.yml"
    file.write_text(f"{text}\nnovel_kernel: true\n", encoding="utf-8")
    read = cm.read_trainer_file(file, "H100", 8, examples=1000, lengths=300)
    assert read.not_understood == ("unused", "novel_kernel")
    assert "sequence_len" in read.read and "learning_rate" in read.ignored
    assert not set(read.read) & {*read.ignored, *read.not_understood}
    assert any("novel_kernel" in line for line in read.notes())
    assert json.loads(json.dumps(read.to_dict()))["not_understood"] == ["unused", "novel_kernel"]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("axolotl_qlora_fsdp.yaml", {"count": 8, "examples": 10}, "no trainer's file says it; give --gpu"),
        ("axolotl_qlora_fsdp.yaml", {"accelerator": "H100", "examples": 10}, "how many GPUs train; give --gpus"),
        ("llama_factory_lora.yaml", {"accelerator": "H100", "count": 1}, "give --examples with --lengths"),
        (
            "llama_factory_lora.yaml",
            {"accelerator": "H100", "count": 1, "examples": 100},
            "recipe.lengths: --examples needs --lengths",
        ),
        (
            "llama_factory_lora.yaml",
            {"accelerator": "H100", "count": 1, "tokens": "1M"},
            "without packing, examples are padded",
        ),
        ("megatron_llama3_8b.sh", {"accelerator": "H100", "count": 6}, "tensor × pipeline × context = 4"),
        ("torchtitan_llama3_8b.toml", {"accelerator": "H100", "count": 8, "examples": 9}, "is for fine-tuning"),
        (
            "trl_dpo.yaml",
            {"accelerator": "H100", "count": 8, "examples": 9, "lengths": 99, "method": "ipo"},
            "method: must be one of",
        ),
        ("deepspeed/zero3.json", {}, "--deepspeed FILE"),
        ("accelerate_zero3.yaml", {}, "--accelerate FILE"),
    ],
)
def test_a_missing_value_names_the_option_to_give(name, options, message):
    with pytest.raises(cm.InputError) as raised:
        cm.read_trainer_file(FOLDER / name, **options)
    assert message in str(raised.value)


def test_all_problems_are_reported_at_once():
    with pytest.raises(cm.InputError) as raised:
        cm.read_trainer_file(FOLDER / "axolotl_full_deepspeed.yaml")
    places = [problem.split(": ")[1] for problem in raised.value.problems]
    assert places == ["cluster.accelerator", "cluster.count", "recipe.examples"]


def written(folder, text, name="run.yml"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


SMALL = "base_model: qwen2.5-0.5b\nsequence_len: 512\nmicro_batch_size: 2\nsample_packing: true\nbf16: true\n"
GIVEN = {"accelerator": "H100", "count": 8, "tokens": "1M"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("micro_batch_size: two", "micro_batch_size: must be a number; got 'two'"),
        ("num_epochs: []", "num_epochs: must be a number"),
        ("bf16: maybe", "bf16: must be true or false; got 'maybe'"),
        ("optimizer: lion_8bit", "--set recipe.optimizer=NAME"),
        ("adapter: llama-adapter", "adapter: must be lora or qlora; got 'llama-adapter'"),
        ("base_model: acme/own-model", "give --model"),
        ("deepspeed: nowhere/zero3.json", "give --deepspeed FILE"),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_accepted(tmp_path, line, message):
    with pytest.raises(cm.InputError) as raised:
        cm.read_trainer_file(written(tmp_path, f"{SMALL}\n{line}\n"), **GIVEN)
    assert message in str(raised.value)


def test_options_override_the_file_and_solve_its_problems(tmp_path):
    file = written(tmp_path, f"{SMALL}\noptimizer: lion_8bit\ndeepspeed: nowhere/zero3.json\n")
    changes = {
        "recipe.optimizer": "sgd",
        "layout.zero": 3,
        "recipe.sequence_length": 1024,
        "architecture": "qwen2.5-1.5b",
    }
    with pytest.raises(cm.InputError):
        cm.read_trainer_file(file, **GIVEN)
    run = cm.read_trainer_file(file, **GIVEN, changes=changes).scenario
    assert (run.recipe.optimizer, run.recipe.sequence_length, run.architecture.name) == ("sgd", 1024, "qwen2.5-1.5b")
    assert run.layout.zero == 3


@pytest.mark.parametrize(
    ("stated", "zero", "shard"),
    [("FULL_SHARD", 3, None), ("SHARD_GRAD_OP", 2, None), ("NO_SHARD", 0, None), ("HYBRID_SHARD", 3, 8)],
)
def test_the_strategy_of_fsdp_is_the_zero_level(tmp_path, stated, zero, shard):
    text = f"{SMALL}fsdp: [auto_wrap]\nfsdp_config:\n  fsdp_sharding_strategy: {stated}\n"
    layout = cm.read_trainer_file(written(tmp_path, text), "H100", 16, tokens="1M").scenario.layout
    assert (layout.zero, layout.shard) == (zero, shard)


def test_fsdp_on_one_accelerator_shards_nothing(tmp_path):
    file = written(tmp_path, f"{SMALL}fsdp: [full_shard, auto_wrap]\n")
    assert cm.read_trainer_file(file, "H100", 1, tokens="1M").scenario.layout.zero == 0


def test_steps_of_a_file_say_how_much_is_trained_on(tmp_path):
    read = cm.read_trainer_file(written(tmp_path, f"{SMALL}max_steps: 100\n"), "H100", 8)
    assert read.scenario.recipe.trained_tokens() == 100 * 2 * 8 * 512
    assert cm.estimate(read.scenario).value("steps") == 100


def test_an_adapter_config_is_a_lora_of_its_base_model(tmp_path):
    config = {
        "peft_type": "LORA", "base_model_name_or_path": "meta-llama/Llama-3.1-8B", "r": 32, "lora_alpha": 64,
        "target_modules": ["q_proj", "v_proj"], "use_dora": True, "task_type": "CAUSAL_LM", "lora_dropout": 0.05,
        "bias": "none", "inference_mode": True, "modules_to_save": None,
    }  # fmt: skip
    file = written(tmp_path, json.dumps(config), "adapter_config.json")
    read = cm.read_trainer_file(file, "H100", 1, tokens="10M")
    recipe = cm.LoRA(tokens="10M", rank=32, targets=("q_proj", "v_proj"), variant="dora", software="fused")
    assert read.scenario.recipe == recipe and read.scenario.layout is None
    assert read.not_understood == ()
    assert cm.trainable_parameters(read.scenario.architecture, recipe) > 0


def test_yaml_bombs_and_broken_files_are_refused(tmp_path):
    bomb = "a: &a [x, x]\n" + "\n".join(f"k{index}: *a" for index in range(30))
    for text, message in (
        (bomb, "more than 20 aliases"),
        ("a: " + "[" * 2000 + "]" * 2000, "nested too deeply"),
        ("a: b: c", "not a YAML file"),
        ("- 1\n- 2", "must hold a table of keys; got list"),
        ("", "got nothing"),
        ("!!python/object/apply:os.system ['true']", "not a YAML file"),
        ("x: " + "y" * 400_000, "larger than 0.1 MB"),
        ("some: thing\n", "is of no known trainer"),
    ):
        with pytest.raises(cm.InputError) as raised:
            cm.read_trainer_file(written(tmp_path, text))
        assert message in str(raised.value)


def test_without_pyyaml_the_message_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "yaml", None)
    with pytest.raises(cm.InputError, match=r"pip install 'costmodel\[yaml\]'"):
        cm.read_trainer_file(written(tmp_path, SMALL))


def test_a_json_file_is_read_without_pyyaml(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "yaml", None)
    arguments = {
        "model_name_or_path": "qwen2.5-0.5b", "per_device_train_batch_size": 4, "num_train_epochs": 2, "bf16": True,
        "gradient_accumulation_steps": 2, "max_length": 1024, "packing": True, "optim": "adamw_torch",
    }  # fmt: skip
    read = cm.read_trainer_file(written(tmp_path, json.dumps(arguments), "args.json"), **GIVEN)
    assert read.scenario.recipe.batch_size == 4 * 2 * 8 and read.scenario.recipe.epochs == 2


@pytest.mark.parametrize(
    ("targets", "names"),
    [
        ("q_proj,v_proj", ("q_proj", "v_proj")),
        ("[model.layers.0.self_attn.q_proj]", ("q_proj",)),
        ("'model.layers.[0-9]+.self_attn.(q|k|v|o)_proj'", ("q_proj", "k_proj", "v_proj", "o_proj")),
        ("all", ("all-linear",)),
    ],
)
def test_target_modules_are_names_paths_or_patterns(tmp_path, targets, names):
    text = f"{SMALL}adapter: lora\nlora_target_modules: {targets}\n"
    assert cm.read_trainer_file(written(tmp_path, text), **GIVEN).scenario.recipe.targets == names


def test_a_pattern_that_is_not_understood_is_no_guess(tmp_path):
    text = f"{SMALL}adapter: lora\nlora_target_modules: '(linear_[12])'\n"
    with pytest.raises(cm.InputError, match=r"recipe\.targets="):
        cm.read_trainer_file(written(tmp_path, text), **GIVEN)


def test_fsdp_2_keeps_weights_where_it_does_not_reshard(tmp_path):
    for stated, zero in (("true", 3), ("false", 2)):
        text = f"{SMALL}fsdp_version: 2\nfsdp_config:\n  reshard_after_forward: {stated}\n  offload_params: true\n"
        layout = cm.read_trainer_file(written(tmp_path, text), **GIVEN).scenario.layout
        assert layout.zero == zero and layout.offload_weights


def test_no_sequence_length_of_torchtune_is_that_of_the_model(tmp_path):
    text = (
        (FOLDER / "torchtune_lora.yaml").read_text(encoding="utf-8").replace("max_seq_len: 2048", "max_seq_len: null")
    )
    read = cm.read_trainer_file(written(tmp_path, text), "H100", 2, examples=1000, lengths="60 to 400")
    assert read.scenario.recipe.sequence_length == 131_072
    assert any("states no sequence length" in line for line in read.assumed)


def test_the_length_of_a_given_model_holds_where_a_file_states_none(tmp_path):
    text = (FOLDER / "torchtune_lora.yaml").read_text(encoding="utf-8")
    text = text.replace("max_seq_len: 2048", "max_seq_len: null").replace(
        "max_steps_per_epoch: null", "max_steps_per_epoch: 9"
    )
    changes = {"architecture": "mistral-7b-v0.2"}
    run = cm.read_trainer_file(written(tmp_path, text), "H100", 2, lengths="60 to 400", changes=changes).scenario
    assert (run.recipe.sequence_length, run.recipe.examples) == (32_768, 9 * 128)


def test_variables_and_defaults_of_a_script(tmp_path):
    text = (FOLDER / "megatron_llama3_8b.sh").read_text(encoding="utf-8")
    text = text.replace("TP_SIZE=2", 'TP_SIZE="${TP_SIZE:-4}"').replace("NUM_NODES=2", "NUM_NODES=${NNODES:-4}")
    run = cm.read_trainer_file(written(tmp_path, text, "run.sh"), "H100").scenario
    assert (run.layout.tensor, run.layout.data, run.cluster.count) == (4, 4, 32)


def test_the_tokenizer_of_gpt_2_gives_the_vocabulary_of_megatron(tmp_path):
    text = "--num-layers 24 --hidden-size 1024 --num-attention-heads 16 --seq-length 1024 --micro-batch-size 8 --bf16 "
    text += "--max-position-embeddings 1024 --global-batch-size 64 --train-iters 500 --vocab-file vocab.json"
    with pytest.raises(cm.InputError, match="vocab_size: is required and missing; add the arguments, or give --model"):
        cm.read_trainer_file(written(tmp_path, text, "run.args"), "H100", 8)
    read = cm.read_trainer_file(written(tmp_path, f"{text} --merge-file merges.txt", "run.args"), "H100", 8)
    assert read.scenario.architecture.vocabulary == 50_304
    assert read.scenario.recipe.tokens == 500 * 64 * 1024


def test_an_interleaved_schedule_without_stages_is_none(tmp_path):
    text = (FOLDER / "torchtitan_llama3_8b.toml").read_text(encoding="utf-8")
    line = "pipeline_parallel_degree = 1"
    for degree, interleave in ((1, 1), (4, 2)):
        changed = f'pipeline_parallel_degree = {degree}\npipeline_parallel_schedule = "Interleaved1F1B"'
        file = written(tmp_path, text.replace(line, changed), "run.toml")
        assert cm.read_trainer_file(file, "H100", 64).scenario.layout.interleave == interleave


def test_every_fixture_is_taken_for_a_trainers_file():
    for path in sorted(FOLDER.glob("*.*")):
        if path.suffix in {".yaml", ".toml", ".sh"} and not path.name.startswith("accelerate"):
            assert is_trainer_file(path), path


JUNK = (None, True, -1, 0, 3.7, 1e300, "", "auto", "x" * 300, "$HOME", "nan", "inf", [], [1], ["a", None], {}, {"a": 1},
        {"stage": 3}, "1_000", [[[]]], "\x00", "(a|b)*$", {"device": []})  # fmt: skip


def places(data, path=()):
    """Yield the paths of all keys of nested data."""
    for key, value in data.items():
        yield (*path, key)
        if isinstance(value, dict):
            yield from places(value, (*path, key))


@pytest.mark.parametrize("name", CASES)
def test_wrong_values_at_any_key_are_refused_or_read(name, tmp_path):
    options, _ = CASES[name]
    original, chosen = parsed(FOLDER / name), random.Random(name)
    for round_number in range(60):
        data = copy.deepcopy(original)
        *outer, last = chosen.choice(list(places(data)))
        inside = data
        for key in outer:
            inside = inside[key]
        inside[last] = chosen.choice(JUNK)
        file = written(tmp_path, json.dumps(data), f"{round_number}.json")
        with suppress(cm.CostModelError):  # any other error is a defect
            assert cm.read_trainer_file(file, **options).scenario


def test_saved_arguments_of_transformers_use_no_fsdp_unless_they_say_so(tmp_path):
    saved = {
        "per_device_train_batch_size": 4, "gradient_accumulation_steps": 1, "num_train_epochs": 2, "max_steps": -1,
        "bf16": True, "fp16": False, "optim": "adamw_torch_fused", "gradient_checkpointing": True, "fsdp": [],
        "deepspeed": None,
        "fsdp_config": {"min_num_params": 0, "xla": False, "xla_fsdp_v2": False, "xla_fsdp_grad_ckpt": False},
        "adam_beta1": 0.9, "label_smoothing_factor": 0.0, "neftune_noise_alpha": None, "seed": 42,
    }  # fmt: skip
    file = written(tmp_path, json.dumps(saved), "training_args.json")
    read = cm.read_trainer_file(file, "H100", 8, examples=100, lengths=300, changes={"architecture": "qwen2.5-0.5b"})
    assert read.scenario.layout.zero == 0 and read.not_understood == ()


def test_an_option_that_differs_from_the_file_is_said():
    options, _ = CASES["trl_dpo.yaml"]
    read = cm.read_trainer_file(FOLDER / "trl_dpo.yaml", **options, count=16)
    assert read.scenario.cluster.count == 16
    assert "16 GPUs instead of the 8 of the file" in read.assumed


def test_weights_of_16_bits_are_those_that_the_file_loads_so(tmp_path):
    text = "model_name_or_path: qwen2.5-0.5b\nper_device_train_batch_size: 2\npacking: true\nbf16: true\n"
    for line, masters in (
        ("", True),
        ("torch_dtype: bfloat16\n", False),
        ("torch_dtype: auto\nuse_peft: true\n", True),
    ):
        recipe = cm.read_trainer_file(
            written(tmp_path, text + line), **GIVEN, changes={"recipe.lengths": 300}
        ).scenario.recipe
        assert recipe.master_weights is masters, line


def test_a_told_method_keeps_packing(tmp_path):
    for method, packing in (("lora", True), ("dpo", False)):
        data = {"lengths": 300, "examples": 100}
        read = cm.read_trainer_file(written(tmp_path, SMALL), "H100", 8, **data, method=method)
        assert (read.scenario.recipe.kind, read.scenario.recipe.packing) == (method, packing)


HUGGING_FACE = (
    "model_name_or_path: qwen2.5-0.5b\nper_device_train_batch_size: 2\npacking: true\nbf16: true\nlora_r: 8\n"
)


@pytest.mark.parametrize(
    ("lines", "kind", "noted"),
    [
        ("use_peft: false", "full_fine_tuning", False),
        ("use_peft: true", "lora", False),
        ("load_in_4bit: true", "qlora", True),
        ("load_in_4bit: true\nuse_bnb_nested_quant: true", "qlora", False),
        ("stage: sft\nlora_rank: 8\nquantization_bit: 4", "qlora", False),
        ("stage: sft\nlora_rank: 8\nquantization_bit: 4\ndouble_quantization: false", "qlora", True),
    ],
)
def test_adapters_and_their_4_bit_weights(tmp_path, lines, kind, noted):
    read = cm.read_trainer_file(written(tmp_path, f"{HUGGING_FACE}{lines}\n"), **GIVEN)
    assert read.scenario.recipe.kind == kind
    assert any("double quantization" in line for line in read.assumed) is noted


def test_saved_embeddings_are_trained_beside_adapters(tmp_path):
    text = f"{HUGGING_FACE}lora_modules_to_save: [embed_tokens, lm_head]\n"
    assert cm.read_trainer_file(written(tmp_path, text), **GIVEN).scenario.recipe.train_embeddings

"""What a trainer's file says of a run, in the words of a scenario; readers fill it, `assembly` completes it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from costmodel.estimation.trainers.keys import Keys

Sharding = Literal["none", "ddp", "fsdp", "deepspeed"]
OPTIMIZERS = {
    "adamw": "adamw", "adam": "adamw", "adamw_hf": "adamw", "adamw_torch": "adamw", "adamw_torch_fused": "adamw",
    "adamw_torch_xla": "adamw", "adamw_apex_fused": "adamw", "adamw_anyprecision": "adamw", "fusedadam": "adamw",
    "paged_adamw": "adamw", "paged_adamw_32bit": "adamw", "distributed_fused_adam": "adamw", "cpuadam": "adamw",
    "deepspeedcpuadam": "adamw", "adamw_8bit": "adamw-8bit", "adamw_bnb_8bit": "adamw-8bit",
    "adamw_torch_8bit": "adamw-8bit", "paged_adamw_8bit": "adamw-8bit", "adamw8bit": "adamw-8bit",
    "pagedadamw8bit": "adamw-8bit", "adam8bit": "adamw-8bit", "pagedadamw": "adamw", "adafactor": "adafactor",
    "muon": "muon", "dist_muon": "muon", "sgd": "sgd",
}  # fmt: skip
"""Optimizers of recipes by the names of trainers."""
KERNELS = {
    "flash_attention_2": "flash-2", "flash_attention_3": "latest", "sdpa": "flash-2", "eager": "unfused",
    "fa2": "flash-2", "fa3": "latest", "disabled": "unfused", "auto": "flash-2", "flex_attention": "flash-2",
    "xformers": "flash-2",
}  # fmt: skip
"""Attention kernels of layouts by the names of trainers."""
_NAME = re.compile(r"[\w-]+")
_ALTERNATIVES = re.compile(r"\((?:\?:)?(?P<parts>\w+(?:\|\w+)*)\)(?P<end>\w*)\$?$")
"""The end of a pattern such as "layers.[0-9]+.self_attn.(q|k|v|o)_proj"."""
SUPERVISED = frozenset({"full_fine_tuning", "lora", "qlora"})
"""Recipes of supervised fine-tuning, whose examples can be packed."""
DOUBLE_QUANTIZED = "4-bit weights count with double quantization, which the file does not turn on"
"""Note for 4-bit weights whose scales are not quantized again."""
_TRAINED_WHOLE = frozenset({"embed_tokens", "lm_head"})
PAIRS = frozenset({"dpo", "orpo", "simpo", "reward_model"})
"""Recipes whose examples are two sequences."""


@dataclass
class Settings:
    """What a file says of a run: fields of its recipe and its layout, and what the trainer counts in examples."""

    software: str
    """Name of the training software, as recipes take it."""
    model: object = None
    """Name, path or fields of the model; None if the file names none."""
    model_key: str = "model"
    """Key of the file that names the model."""
    kind: str = "full_fine_tuning"
    """Kind of recipe."""
    recipe: dict[str, object] = field(default_factory=dict)
    """Fields of the recipe."""
    layout: dict[str, object] = field(default_factory=dict)
    """Fields of the layout, without the number of replicas."""
    sharding: Sharding = "none"
    """How data-parallel ranks share the model."""
    hybrid: bool = False
    """Whether ranks shard within a node only."""
    micro_batch: int = 1
    """Examples per forward pass and replica [1]."""
    accumulation: int = 1
    """Micro-batches per step [1]."""
    batch_size: int | None = None
    """Examples per step of all replicas, where the file states it [1]."""
    replicas: int | None = None
    """Data-parallel replicas, where the file states them instead of the accelerators [1]."""
    count: int | None = None
    """Accelerators, where the file states them [1]."""
    trained_on: int | None = None
    """Accelerators that train while others generate, where the file states them [1]."""
    own_rollout_gpus: bool = False
    """Whether rollouts have accelerators of their own."""
    steps: int | None = None
    """Steps, where the file states them [1]."""
    samples: int | None = None
    """Sequences of the whole run, where the file states them [1]."""
    held_out: float = 0.0
    """Examples kept for evaluation: a share below 1, or a number [1]."""
    most_examples: int | None = None
    """Most examples that the trainer reads [1]."""
    padded_to_length: bool = False
    """Whether every example is padded to the sequence length."""
    full_16_bits: bool = False
    """Whether weights and states of the optimizer have 16 bits, whatever shards them."""
    plans: bool = False
    """Whether the file states no batch and no layout, so that a layout is planned."""
    assumed: list[str] = field(default_factory=list)
    """What the file does not state, and what was taken for it."""
    open: dict[str, str] = field(default_factory=dict)
    """Problems by the field of the scenario that solves them."""

    def assume(self, text: str) -> None:
        """Note what the file does not state, and what was taken for it."""
        if text not in self.assumed:
            self.assumed.append(text)


def read_optimizer(keys: Keys, settings: Settings, *names: str, default: str) -> None:
    """Set the optimizer of a recipe from the name that a trainer gives it."""
    stated = keys.text(*names)
    if not stated:
        settings.assume(f"optimizer {default}, the default of {settings.software}")
    word = (stated or default).lower().rpartition(".")[2]
    if word not in OPTIMIZERS:
        settings.open["recipe.optimizer"] = (
            f"{names[0]}: the optimizer {stated!r} has no counterpart; give --set recipe.optimizer=NAME with one of "
            f"{', '.join(dict.fromkeys(OPTIMIZERS.values()))}"
        )
        return
    settings.recipe["optimizer"] = OPTIMIZERS[word]
    if word.startswith("paged"):
        settings.assume("the states of the paged optimizer count as in GPU memory")


def read_kernel(stated: str, settings: Settings) -> None:
    """Set the attention kernel of a layout from the name that a trainer gives it."""
    word = stated.lower()
    if not word:
        settings.assume("attention of PyTorch (sdpa), the default of the models")
    if "flash" in word:
        word = "flash_attention_3" if "3" in word else "flash_attention_2"
    if word and word not in KERNELS:
        settings.open["layout.attention"] = (
            f"the attention kernel {stated!r} is not known; give --set layout.attention=NAME with unfused, flash-1, "
            "flash-2 or latest"
        )
    settings.layout["attention"] = KERNELS.get(word, "flash-2")


def read_16_bits(keys: Keys, settings: Settings) -> bool:
    """Set the precision from the switches bf16, fp16, tf32 and fp8; return whether it is below 32 bits."""
    if keys.data.get("bf16") == "full":
        keys.data["bf16"] = True
        settings.full_16_bits = True
    switches = {name: keys.flag(name) for name in ("fp8", "bf16", "fp16", "tf32", "bfloat16", "float16", "pure_bf16")}
    if keys.data.get("bf16") is True and keys.data.get("fp16") is True:
        keys.refuse("bf16, fp16: at most one of them can be true")
    names = {"bfloat16": "bf16", "pure_bf16": "bf16", "float16": "fp16"}
    on = [names.get(name, name) for name, value in switches.items() if value]
    settings.recipe["precision"] = on[0] if on else "fp32"
    if not on:
        settings.assume("precision fp32: neither bf16 nor fp16 is on")
    return settings.recipe["precision"] not in {"fp32", "tf32"}


def read_adapters(
    rank: int | None, targets: Iterable[str], settings: Settings, *, default_rank: int, bits: int
) -> None:
    """Make a recipe one with adapters: rank, targets and stored bits of the frozen weights."""
    if settings.kind == "full_fine_tuning":
        settings.kind = "qlora" if bits == 4 else "lora"
    if rank is None:
        settings.assume(f"rank {default_rank} of the adapters, the default of {settings.software}")
    settings.recipe["rank"] = rank or default_rank
    names = [name for target in targets for name in _matrices(target)]
    settings.recipe["targets"] = list(dict.fromkeys(names)) or ["all-linear"]
    if wrong := [name for name in names if not _NAME.fullmatch(name)]:
        settings.open["recipe.targets"] = (
            f'target modules: {wrong[0]!r} is not understood; give names, such as --set recipe.targets=["q_proj"]'
        )
    if bits < 16:
        settings.recipe["quantization"] = {4: "nf4", 8: "int8"}[bits]


def read_padding(keys: Keys, settings: Settings, *names: str) -> None:
    """Read the switches that avoid padding: examples of like length together, or joined without any."""
    for name in names:
        if keys.flag(name):
            settings.recipe["padding_group"] = 1
            settings.assume(f"no padding, since {name} is on")


def read_whole_modules(keys: Keys, settings: Settings, *names: str) -> None:
    """Read the modules that are trained as a whole beside the adapters; only embedding and head are counted."""
    modules = {name.rpartition(".")[2] for name in keys.words(*names)}
    if modules & _TRAINED_WHOLE:
        settings.recipe["train_embeddings"] = True
    if others := sorted(modules - _TRAINED_WHOLE):
        settings.assume(f"{names[0]}: {', '.join(others)} counts as frozen; embedding and head alone are read")


def refuse_few_bits(keys: Keys, name: str, bits: int) -> None:
    """Refuse weights of few bits that no adapter is trained on: no trainer trains them."""
    if bits < 16:
        keys.refuse(f"{name}: weights of {bits} bits are trained with adapters only, and the file states none")


def _matrices(target: str) -> list[str]:
    """Return the names of the matrices of a target: a name, a path, or a pattern that ends in alternatives."""
    if target in {"all", "all-linear"}:
        return ["all-linear"]
    if match := _ALTERNATIVES.search(target):
        return [f"{part}{match['end']}" for part in match["parts"].split("|")]
    return [target.rpartition(".")[2]]

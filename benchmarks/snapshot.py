"""Record the numbers of the library in one JSON file, and compare two such files: proof that no estimate moved.

Run: python benchmarks/snapshot.py OUT.json [--shared DIR]
     python benchmarks/snapshot.py --compare OLD.json NEW.json [--tolerance 1e-9]

The file runs on the code before and after names change: `RENAMED` lists the names with their predecessors, and all
keys are stored in the new spelling. An item that raises is stored as "error: TypeName", a figure that is not known
and a table that is not there as "missing".
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import inspect
import json
import math
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import costmodel

# fmt: off

cm: Any = costmodel
"""The library, of which any name may be another one tomorrow."""

# ---------------------------------------------------------------- names that change: the only place that knows them

RENAMED: dict[str, tuple[str, ...]] = {
    "QuantizationAwareTraining": ("QuantisationAwareTraining",),
    "quantization_aware_training": ("quantisation_aware_training",),
    "utilization": ("utilisation",),
    "quantization": ("quantisation",),
    "auxiliary_bytes": ("resident",),
    "realized_efficiency": ("reached",),
    "baseline": ("against",),
    "padding_group": ("padded_together",),
    "residual_overhead": ("overhead_share",),
    "checkpoint_overlap": ("hidden_share",),
    "fixed_cost": ("non_declining_cost", "lasting"),
    "sequence_length": ("seq_len",),
    "batch_size": ("global_batch",),
    "count": ("n_gpus",),
    "tensor": ("tp",),
    "pipeline": ("pp",),
    "zero": ("dp_or_zero",),
    "step_time": ("step_time_s",),
}
"""New names, each with its older ones. A further renaming is one more line."""
SPELLED = (("isation", "ization"), ("utilis", "utiliz"), ("quantis", "quantiz"), ("optimis", "optimiz"),
           ("modell", "model"), ("amortis", "amortiz"), ("litres", "liters"),
           ("ageing", "aging"), ("centre", "center"), ("catalogue", "catalog"))
"""British spellings in keys, with those of the US."""
NEW_NAME = {
    old: new
    for new, olds in RENAMED.items()
    if new in {"utilization", "quantization", "auxiliary_bytes", "realized_efficiency", "baseline"}
    for old in olds
}


STEP_COMPONENTS = {
    "tensor_parallel": "tensor", "context_parallel": "context", "expert_parallel": "expert",
    "pipeline_send_recv": "pipeline", "pipeline_bubble": "bubble", "data_parallel": "data", "fixed_overhead": "fixed",
    "optimizer_states": "optimizer", "buffers": "communication",
}
"""Components of the time and the memory of a step, with the names that they have in recorded snapshots."""


def former(components: Mapping[str, Any]) -> dict[str, Any]:
    """Return components of a step by their former names, without the auxiliary models, which are new."""
    return {STEP_COMPONENTS.get(name, name): value for name, value in components.items() if name != "auxiliary_models"}


def us(key: Any) -> str:
    """Return a key in the new spelling."""
    text = NEW_NAME.get(str(key), str(key))
    for old, new in SPELLED:
        text = text.replace(old, new)
    return text


def spellings(name: str) -> tuple[str, ...]:
    """Return a name and its older ones, the newest first."""
    return name, *RENAMED.get(name, ())


def public(name: str) -> Any:
    """Return a public name of the library, or what it was called before."""
    return next((getattr(cm, each) for each in spellings(name) if each in cm.__all__), None) or getattr(cm, name)


def attribute(thing: Any, name: str) -> Any:
    """Return an attribute of an object by its newest name that there is."""
    return getattr(thing, next((each for each in spellings(name) if hasattr(thing, each)), name))


def call(function: Any, *args: Any, **given: Any) -> Any:
    """Call a function or make a specification, with its arguments by the newest names that it takes."""
    fields = getattr(function, "model_fields", None)
    taken = set(fields) if fields is not None else set(inspect.signature(function).parameters)
    return function(*args, **{next((each for each in spellings(name) if each in taken), name): value
                              for name, value in given.items()})


FIGURES = ("flops", "step_time", "mfu", "goodput", "memory", "utilization", "gpu_hours", "wall_time", "energy",
    "carbon",
           "water", "electricity_cost", "cost")
LEVELS = (0.5, 0.8, 0.95)
MISSING = "missing"
ROOTS = (Path(cm.__file__).resolve().parent, Path(cm.__file__).resolve().parents[2],
    Path(__file__).resolve().parents[1])

# ---------------------------------------------------------------- plain data


def plain(value: Any) -> Any:
    """Return numbers, tuples, tables, quantities and specifications as plain data with keys in the new spelling."""
    if value is None or isinstance(value, (bool, str, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if hasattr(value, "to_base_units"):
        return plain(value.to_base_units().magnitude)
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if hasattr(value, "_asdict"):
        return plain(value._asdict())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {us(field.name): plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {us(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return plain(value.to_data()) if hasattr(value, "to_data") else str(type(value).__name__)


def numbers(value: Any) -> Any:
    """Return plain data without texts: numbers, truth values and None; of `skipped` whether it is so.

    Tables by label (`families`) become lists in the order of their numbers, since labels are reworded.
    """
    if isinstance(value, Mapping):
        kept: dict[str, Any] = {}
        for key, each in value.items():
            if key == "skipped" and not isinstance(each, (Mapping, list)):
                kept[key] = each not in (None, "", False)
            elif key == "families" and isinstance(each, Mapping):
                kept[key] = sorted((numbers(one) for one in each.values()), key=_rounded)
            elif not isinstance(each, str):
                kept[us(key)] = numbers(each)
        return kept
    if isinstance(value, list):
        return [numbers(each) for each in value if not isinstance(each, str)]
    return value


def _rounded(value: Any) -> str:
    return json.dumps(json.loads(json.dumps(value), parse_float=lambda text: f"{float(text):.5g}"), sort_keys=True)


def named(rows: Sequence[Mapping[str, Any]], *keys: str) -> dict[str, Any]:
    """Return the numbers of rows by their names; those that come again are numbered."""
    found: dict[str, Any] = {}
    for row in rows:
        name = " | ".join(us(row.get(key)) for key in keys)
        place, again = name, 1
        while place in found:
            again += 1
            place = f"{name} #{again}"
        found[place] = numbers(plain(row))
    return found


def guarded(make: Callable[[], Any]) -> Any:
    """Return what is made as plain data, or the type of what it raises."""
    try:
        return plain(make())
    except Exception as error:  # an item that fails is a result to compare
        return f"error: {type(error).__name__}"


# ---------------------------------------------------------------- estimates


def figures(scenario: Any) -> dict[str, Any]:
    """Return the figures of a scenario in SI units with their intervals, the layout, and what drives the cost."""
    result = cm.estimate(scenario)
    known = {us(name) for name in result.to_dict()["figures"]}
    found: dict[str, Any] = {}
    for name in FIGURES:
        if name not in known:
            found[name] = MISSING
            continue
        told = next(each for each in spellings(name) if isinstance(_value(result, each), float))
        found[name] = {"value": _value(result, told)}
        for level in LEVELS:
            found[name][f"{level:g}"] = list(result.bounds(told, level))
    found["layout"] = None if result.layout is None else result.layout.to_data()
    found["scope"] = result.scope
    driver = "cost" if "cost" in known else "gpu_hours"
    found["drivers"] = [{key: row[key] for key in ("low", "high", "share")} for row in result.sensitivity(driver)]
    return found


def _value(result: Any, name: str) -> float | None:
    try:
        value = result.value(name)
    except cm.CostModelError:
        return None
    return float(value) if isinstance(value, (int, float)) else None


OWN_ROW = {"source": "own stack", "model": "llama-3.1-8b", "sequence_length": "8192", "batch_size": "128",
           "accelerator": "H100-SXM", "count": "8", "tensor": "1", "pipeline": "1", "zero": "fsdp=8",
           "micro_batch": "1", "recompute": "full", "precision": "bf16", "step_time": "19.0"}


def calibrated(*steps: tuple[str, str]) -> Any:
    """Return the efficiency calibrated on rows of one's own: (sequences of a step, seconds) of each."""
    rows = [OWN_ROW | {"batch_size": batch, "step_time": seconds} for batch, seconds in steps]
    last: Exception | None = None
    for age in (0, 1):  # columns as the library names them, then as they were called before
        try:
            return cm.calibrate([{spellings(key)[min(age, len(spellings(key)) - 1)]: value
                                  for key, value in row.items()} for row in rows])
        except Exception as error:  # tried again with the older names
            last = error
    assert last is not None
    raise last


def cluster(accelerator: Any, count: int, **site: Any) -> Any:
    """Return a cluster at a site."""
    return cm.Cluster(accelerator, count, site=cm.Site(**site)) if site else cm.Cluster(accelerator, count)


def scenarios() -> dict[str, Callable[[], Any]]:  # noqa: PLR0915
    """Return the scenarios by name, each made when it is asked for."""
    made: dict[str, Callable[[], Any]] = {}

    def add(name: str, architecture: Any, recipe: Callable[[], Any], on: Callable[[], Any], **more: Any) -> None:
        def make() -> Any:
            given = {key: value() if callable(value) else value for key, value in more.items()}
            return call(cm.Scenario, architecture=architecture, recipe=recipe(), cluster=on(), **given)

        made[name] = make

    def pre(tokens: Any = "1T", **more: Any) -> Callable[[], Any]:
        return lambda: call(cm.Pretraining, tokens=tokens, **more)

    def tune(kind: str, **more: Any) -> Callable[[], Any]:
        return lambda: call(public(kind), **more)

    def on(accelerator: Any, count: int, **site: Any) -> Callable[[], Any]:
        return lambda: cluster(accelerator, count, **site)

    def rent(**more: Any) -> Callable[[], Any]:
        return lambda: cm.Rental(**more)

    here = {"region": "us-virginia", "pue": 1.1}
    # pretraining of dense models
    add("8b planned, lambda", "llama-3.1-8b", pre("15T", sequence_length=8192), on("H100-SXM", 1024, **here),
        prices=rent(provider="lambda", purchase_model="on_demand", on="2026-09-01"))
    add("8b with batch and mfu", "llama-3.1-8b", pre("15T", sequence_length=8192, batch_size=1024), on("H100-SXM",
        1024),
        mfu=0.42, prices=rent(price="$2.99/h"))
    add("8b mfu and goodput as ranges", "llama-3.1-8b", pre("10T to 15T"), on("A100-80GB-SXM", 2048, region="FRA"),
        mfu="0.35 to 0.45", goodput="0.85 to 0.97", prices=rent(price="1.2 to 2.4 USD/hour"))
    add("70b given layout", "llama-3.1-70b", pre("15T", sequence_length=8192, batch_size=512), on("H100-SXM", 256),
        layout=lambda: cm.Layout(data=16, tensor=8, pipeline=2, interleave=10))
    add("70b planned, batch", "llama-3.1-70b", pre("15T", sequence_length=8192, batch_size=2048),
        on("H100-SXM", 2048, region="gcp:us-central1"), prices=rent(provider="gcp", purchase_model="reserved_1y"))
    add("405b on 16,384", "llama-3.1-405b", pre("15.6T", sequence_length=8192, batch_size=2048), on("H100-SXM", 16384),
        reliability=lambda: cm.Reliability(gpu_hours_per_failure=50_677, restart_time=600))
    add("70b on B200, fp8", "llama-3.3-70b", pre("5T", precision="fp8", batch_size=1024), on("B200", 512),
        prices=rent(provider="market", on="2026-06-01"))
    add("34b on V100", "llama-33b", pre("300B", sequence_length=2048, precision="fp16"), on("V100-32GB-SXM2", 512))
    add("gpt2 on one RTX-4090", "gpt2", pre("10B", sequence_length=1024, batch_size=512), on("RTX-4090", 1))
    add("175b on A100, 2021", "gpt3-175b", pre("300B", sequence_length=2048, batch_size=1536), on("A100-80GB-SXM",
        1024),
        prices=rent(provider="aws", on="2023-06-01"))
    add("7b on H200", "qwen2.5-7b", pre("2T", batch_size=256), on("H200-SXM", 64, region="SWE", pue=1.2),
        prices=rent(provider="market", purchase_model="spot"))
    add("32b on GB200", "olmo-2-32b", pre("6T", batch_size=2048), on("GB200", 1024, region="us-texas"))
    add("13b on L40S", "llama-2-13b", pre("100B", sequence_length=4096, batch_size=128), on("L40S", 64))
    add("7b full search", "llama-2-7b", pre("2T", batch_size=64), on("A100-80GB-SXM", 16), search="full")
    add("8b gpu_hours known", "llama-3.1-8b", pre("15T", sequence_length=8192), on("H100-SXM", 1024), gpu_hours="1460k",
        prices=rent(provider="azure", purchase_model="reserved_3y"))
    add("8b development scope", "llama-3.1-8b", pre("15T"), on("H800-SXM", 1024), scope="development",
        prices=rent(price=2.0))
    add("1b adafactor-like seed 7", "llama-3.2-1b", pre("9T", master_weights=False), on("A100-40GB-SXM", 128), seed=7)
    add("stages", "llama-3.1-8b", lambda: [cm.Pretraining(tokens="10T", sequence_length=4096),
        cm.Pretraining(tokens="100B", sequence_length=32768)], on("H100-SXM", 512), prices=rent(price="2 USD/gpu/hour"))
    add("stages with hours", "deepseek-v3", lambda: [
        cm.Pretraining(tokens="14.8T", sequence_length=4096, gpu_hours="2664k"),
        cm.Pretraining(tokens="40B", sequence_length=32768, gpu_hours="119k")], on("H800-SXM", 2048),
        prices=rent(price="2 USD/gpu/hour"))
    # mixtures of experts, state-space and hybrid models, encoders, vision
    add("mixtral planned", "mixtral-8x7b", pre("2T", batch_size=1024), on("H100-SXM", 256, pue=1.2))
    add("deepseek-v3 planned", "deepseek-v3", pre("14.8T", precision="fp8", batch_size=15360), on("H800-SXM", 2048),
        prices=rent(price="2 USD/gpu/hour"))
    add("qwen3-30b given layout", "qwen3-30b-a3b", pre("1T", batch_size=512), on("H100-SXM", 64),
        layout=lambda: cm.Layout(data=64, expert=8, recompute="selective"))
    add("gpt-oss-120b", "gpt-oss-120b", pre("3T", batch_size=1024), on("B200", 256), goodput=0.9)
    add("mamba2", MAMBA, pre("300B"), on("A100-80GB-SXM", 64))
    add("jamba", "jamba-v0.1", pre("500B", batch_size=256), on("H100-SXM", 128))
    add("kimi-linear", "kimi-linear-48b-a3b", pre("1T", batch_size=512), on("H200-SXM", 128))
    add("nemotron hybrid", "nemotron-3-nano-30b-a3b", pre("1T", batch_size=512), on("H100-SXM", 128))
    add("bert", "bert-base", pre("137B", sequence_length=512), on("TPU-v3", 16), prices=rent(price=2.0))
    add("modernbert", "modernbert-base", pre("1.7T", sequence_length=1024), on("H100-SXM", 8))
    add("t5", "t5-small", pre("34B", sequence_length=512), on("TPU-v4", 8), prices=rent(provider="gcp"))
    add("vit", "vit-base-patch16-224", pre("100B", sequence_length=197), on("A100-40GB-SXM", 16))
    add("whisper", "whisper-tiny", pre("10B", sequence_length=448), on("A100-40GB-SXM", 8), mfu=0.2)
    add("vision-language", "qwen3-vl-30b-a3b", pre("500B", batch_size=512), on("H100-SXM", 128))
    add("gemma-3 with windows", "gemma-3-27b-text", pre("14T", batch_size=1024), on("TPU-v5p", 6144), mfu=0.45,
        prices=rent(provider="gcp", purchase_model="reserved_3y"))
    # other accelerators, and counts alone
    add("MI300X", "llama-3.1-8b", pre("1T"), on("MI300X", 256, region="FIN"), prices=rent(price="1.9 to 3.5 USD/hour"))
    add("MI250X", "olmo-2-7b", pre("4T"), on("MI250X", 1024), prices=rent(price="0.8 to 1.5 USD/hour"))
    add("TPU-v5e", "gemma-2-9b", pre("8T"), on("TPU-v5e", 4096), prices=rent(provider="gcp", on="2025-06-01"))
    add("Trainium2", "llama-3.1-70b", pre("2T"), on("Trainium2", 1024, region="aws:us-east-1"),
        prices=rent(provider="aws"))
    add("Gaudi2", "llama-2-7b", pre("1T"), on("Gaudi2", 128), mfu=0.4)
    add("counts, total", {"total": "8B"}, pre("2T"), on("H100-SXM", 512))
    add("counts, mixture", {"total": "400B", "active": "17B"}, pre("10T"), on("H100-SXM", 4096, region="us-texas"),
        prices=rent(provider="coreweave"))
    # fine-tuning and post-training
    add("full fine-tuning", "llama-3.1-8b", tune("FullFineTuning", examples=52_000, lengths="lognormal 100 to 400",
        epochs=3, sequence_length=512, batch_size=128), on("A100-80GB-SXM", 8))
    add("full fine-tuning, offloaded layout", "llama-3.1-8b", tune("FullFineTuning", tokens="20M", batch_size=64),
        on("A100-80GB-SXM", 2), layout=lambda: cm.Layout(data=2, zero=3, offload_optimizer=True, recompute="full"))
    add("continued pretraining", "qwen2.5-14b", tune("FullFineTuning", tokens="20B", sequence_length=8192,
        batch_size=256), on("H100-SXM", 64), prices=rent(provider="market", on="2026-11-01"))
    add("lora packed", "llama-3.1-8b", tune("LoRA", examples=20_000, lengths="lognormal 150 to 900", epochs=3,
        sequence_length=1024, batch_size=64), on("H100-SXM", 1))
    add("lora padded, eager", "llama-3.1-8b", tune("LoRA", examples=20_000, lengths=[120, 300, 480, 900, 1500],
        epochs=2,
        packing=False, padding_group=4, software="eager"), on("L40S", 4), prices=rent(provider="runpod"))
    add("dora with targets and sweep", "mistral-7b", tune("LoRA", tokens="20M to 40M", rank=32, variant="dora",
        targets=("query", "value"), trials=4, trial_share=0.25, train_embeddings=True), on("A100-40GB-SXM", 2))
    add("lora int8", "llama-2-13b", tune("LoRA", tokens="10M", quantization="int8"), on("RTX-3090", 2))
    add("qlora", "llama-3.1-70b", tune("QLoRA", tokens="20M", epochs=2, sequence_length=2048, batch_size=16),
        on("A100-80GB-SXM", 1), prices=rent(provider="vast", purchase_model="marketplace"))
    add("qlora gptq", "llama-3.1-8b", tune("QLoRA", examples=20_000, lengths="lognormal 150 to 900", epochs=3,
        sequence_length=1024, quantization="gptq-int4"), on("RTX-4090", 1), realized_efficiency="0.4 to 0.8")
    add("prompt tuning", "llama-3.2-3b", tune("PromptTuning", tokens="5M", virtual_tokens=50, prefix=True), on("A10G",
        1))
    add("reward model", "llama-3.1-8b", tune("RewardModel", examples=60_000, lengths=400, batch_size=64),
        on("H100-SXM", 8))
    add("dpo", "qwen2.5-14b", tune("DPO", examples=30_000, lengths="lognormal 300 to 1500", epochs=2,
        sequence_length=2048, batch_size=128), on("H100-SXM", 16))
    add("dpo precomputed, lora", "llama-3.1-8b", tune("DPO", examples=60_000, lengths=400, rank=16,
        precomputed_reference=True), on("A100-80GB-SXM", 4))
    add("kto", "llama-3.1-8b", tune("KTO", examples=50_000, lengths=600), on("H100-SXM", 8))
    add("orpo", "mistral-7b", tune("ORPO", examples=40_000, lengths=500, epochs=3), on("A100-80GB-SXM", 8))
    add("simpo", "gemma-2-9b", tune("SimPO", examples=60_000, lengths=500), on("H100-SXM", 8), mfu="0.2 to 0.3")
    add("ppo", "llama-3.1-8b", tune("PPO", examples=20_000, lengths=300, sequence_length=1024, prompt_length=200,
        batch_size=256), on("H100-SXM", 32))
    add("grpo", "qwen3-8b", tune("GRPO", examples=8000, lengths="lognormal 2000 to 14000", epochs=2,
        sequence_length=16384, prompt_length=300, group_size=16, batch_size=1024), on("H100-SXM", 32))
    add("grpo asynchronous, judged", "qwen2.5-7b", tune("GRPO", examples=4000, lengths="500 to 3000", iterations=2,
        sequence_length=4096, asynchronous=True, reference=False, reward_model="llama-3.1-8b"), on("H200-SXM", 16))
    add("distillation from a model", "llama-3.2-3b", tune("Distillation", examples=17_000, lengths="500 to 4000",
        sequence_length=8192, teacher="qwen2.5-32b"), on("H100-SXM", 8))
    add("distillation of logits", "llama-3.2-1b", tune("Distillation", tokens="50M", learn_from="logits",
        teacher="llama-3.1-8b", epochs=2), on("H100-SXM", 8))
    add("distillation by api", "qwen3-8b", tune("Distillation", examples=10_000, lengths=2000, sequence_length=4096,
        api="gpt-4.1-mini", api_batch=True), on("H100-SXM", 8))
    add("quantization-aware training", "llama-3.1-8b", tune("QuantizationAwareTraining", tokens="100M"), on("H100-SXM",
        8))
    # reliability and calibration
    add("reliability given", "llama-3.1-70b", pre("15T", sequence_length=8192), on("H100-SXM", 4096, pue="1.05 to 1.3"),
        reliability=lambda: call(cm.Reliability, gpu_hours_per_failure="20k to 60k", checkpoint_bandwidth="100 GB/s",
                                 checkpoint_interval=1800, evaluation_share=0.01, checkpoint_overlap=0.9,
                                 residual_overhead="0.01 to 0.05"))
    add("calibrated on one row", "llama-3.1-8b", pre("1T", sequence_length=8192, batch_size=128), on("H100-SXM", 8),
        efficiency=lambda: calibrated(("128", "19.0")))
    add("calibrated on two rows, layout", "llama-3.1-8b", pre("1T", sequence_length=8192, batch_size=128),
        on("H100-SXM", 8), efficiency=lambda: calibrated(("128", "19.0"), ("256", "37.0")),
        layout=lambda: cm.Layout(data=8, zero=3, recompute="full"))
    add("site in full", "llama-3.1-8b", pre("1T"), on("H100-SXM", 128, grid_intensity="0.02 to 0.05", pue=1.08,
        water_usage_effectiveness=0.2, water_intensity=1.5, electricity=0.06, power_per_gpu=1100), mfu=0.4)
    add("instance price", "llama-3.1-8b", pre("100B"), on("H100-SXM", 20), mfu=0.4,
        prices=rent(price="24 USD/hour", per="instance"))
    return made


def estimates() -> dict[str, Any]:
    """Return the figures of every scenario, and a sum and a comparison of two."""
    made = scenarios()
    found = {name: guarded(lambda make=make: figures(make())) for name, make in made.items()}  # type: ignore[misc]

    def ratio() -> Any:
        both = {"a": made["8b planned, lambda"](), "b": made["8b with batch and mfu"]()}
        return list(cm.compare(both).ratio("cost", "a", "b"))

    found["ratio of two"] = guarded(ratio)
    found["sum of two"] = guarded(lambda: {
        level: list((cm.estimate(made["lora packed"]()) + cm.estimate(made["dpo"]())).bounds("cost", level))
        for level in LEVELS})
    return found


MAMBA = {"model_type": "mamba2", "hidden_size": 2560, "num_hidden_layers": 64, "state_size": 128, "num_heads": 80,
         "head_dim": 64, "expand": 2, "n_groups": 1, "conv_kernel": 4, "vocab_size": 50288, "chunk_size": 256,
         "tie_word_embeddings": True}

# ---------------------------------------------------------------- what the command line validates

KINDS = ("published_runs", "step_times", "finetune", "published_finetunes", "cost_decline", "serving", "configs")


def command(*args: str) -> Any:
    """Return the JSON that the command line prints, or how it failed."""
    environment = os.environ | {"PYTHONPATH": str(Path(cm.__file__).resolve().parents[1])}
    for module in ("costmodel", "costmodel.cli"):
        done = subprocess.run([sys.executable, "-m", module, *args, "--json"], capture_output=True, text=True,
            check=False,
                              env=environment)
        if done.returncode == 0:
            return json.loads(done.stdout)
        if "No module named" not in done.stderr:
            break
    return f"error: exit status {done.returncode}"


def validated(kind: str, *file: str) -> Any:
    """Return the scores and the numbers of every row of a kind."""
    found = command("validate", kind, *file)
    return found if isinstance(found, str) else numbers(plain(found))


def validate(shared: Path | None) -> dict[str, Any]:
    """Return the scores of every kind, on the table of the library and on the file of `shared`."""
    found: dict[str, Any] = {}
    for kind in KINDS:
        if kind not in {"serving", "configs"}:
            found[f"{kind}, shipped"] = guarded(partial(validated, kind))
        file = None if shared is None else shared / ("configs" if kind == "configs" else f"measurements/{kind}.csv")
        if file is not None:
            found[f"{kind}, shared"] = guarded(partial(validated, kind, str(file))) if file.exists() else MISSING
    return found


# ---------------------------------------------------------------- generated tables

TABLES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "efficiency": (("efficiency", "step_time_constants", "time_model"), ("name",)),
    "efficiency_folds": (("efficiency_folds",), ("family",)),
    "finetune_efficiency": (("finetune_efficiency", "finetuning_efficiency"), ("name",)),
    "memory": (("memory", "memory_constants"), ("name",)),
    "finetune_folds": (("finetune_folds", "finetuning_folds", "finetune_efficiency_folds"), ("model",)),
    "utilization": (("utilization", "utilisation"), ("kind", "generation")),
    "realized_efficiency": (("realized_efficiency", "finetune_jobs", "finetuning_jobs"), ("kind", "left_out")),
    "serving": (("serving", "decode"), ("name",)),
    "serving_folds": (("serving_models",), ("shape",)),
    "decline": (("decline",), ("name",)),
    "decline_folds": (("decline_folds",), ("series",)),
    "rental_paths": (("rental_paths",), ("price_class",)),
    "trends": (("trends",), ("name",)),
}
"""By its stable key: stems of the file, and the columns that name a row."""


def table_file(key: str) -> Path | None:
    """Return the file of a table, wherever it lies under the folder of the data."""
    stems = TABLES[key][0]
    for root in [folder for each in ROOTS if (folder := each / "data").is_dir()][:1]:
        for stem in stems:
            names: list[tuple[str, str | None]] = [(stem, None)]
            if stem.endswith("_folds"):
                names.append((stem.removesuffix("_folds"), "folds"))
            for name, parent in names:
                for path in sorted(root.rglob(f"{name}.csv")):
                    inside = path.parent.name == "folds"
                    if parent == path.parent.name or (parent is None and (stem.endswith("_folds") or not inside)):
                        return path
    return None


def fitted(key: str) -> Any:
    """Return the numbers of a table by row and column."""
    path = table_file(key)
    if path is None:
        return MISSING
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if key == "trends":  # computed rows were once in the table of published ones
        other = path.parent.parent / "fitted" / path.name
        if other.is_file() and other != path:
            with other.open(encoding="utf-8", newline="") as file:
                rows += list(csv.DictReader(file))
        rows = [row for row in rows if row.get("grade") != "published"]
    listed: list[dict[str, Any]] = []
    columns = TABLES[key][1]
    for index, row in enumerate(rows):
        name = " | ".join(row[column] for column in columns) if set(columns) <= set(row) else f"row {index}"
        cells = {us(column): number for column, cell in row.items()
                 if column not in columns and (number := _number(cell)) is not None}
        listed.append({"": name, **cells})
    return named(listed, "")


def _number(cell: Any) -> float | None:
    try:
        return float(cell)
    except (TypeError, ValueError):
        return None


def fits() -> dict[str, Any]:
    """Return the numbers of every generated table."""
    return {key: guarded(partial(fitted, key)) for key in TABLES}


# ---------------------------------------------------------------- projections


def projected(of: Any, years: Any, below: str | None = None, chance: int | None = None, **more: Any) -> dict[str, Any]:
    """Return medians and intervals of a projection by year, the first year below a budget, and a probability."""
    found = call(cm.project_cost, of, years, **more)
    data: dict[str, Any] = {}
    for level in LEVELS:
        for row in found.rows(level):
            data.setdefault(str(row["year"]), {"median": row["median"]})[f"{level:g}"] = [row["low"], row["high"]]
    last = max(found.years)
    parts = sorted((part for part in found.decomposition(last)), key=lambda part: -part["decline"])
    data["decomposition"] = [part["decline"] for part in parts]
    data["missing years"] = sorted(int(year) for year in found.missing)
    if below is not None:
        when = found.year_below(below)
        data["below"] = {"chances": when.chances, "first year": when.quantile(0.5)}
        data["probability"] = found.probability(f"cost < {below}", by=chance or last)
    return data


def projections() -> dict[str, Any]:
    """Return projections of runs and capabilities, rents, trends, claims and published runs."""
    span = range(2025, 2031)

    def run(**more: Any) -> Any:
        prices = more.pop("prices", {"provider": "lambda", "on": "2026-09-01"})
        return cm.Scenario(architecture="llama-3.1-8b", recipe=cm.Pretraining(tokens="15T", sequence_length=8192),
                           cluster=cm.Cluster("H100-SXM", 1024), prices=cm.Rental(**prices), **more)

    def domain(**more: Any) -> Any:
        return cm.Capability(name="a model of a profession", cost="1.3 to 2.6 MUSD", date="2023-03-30", **more)

    calls: dict[str, Callable[[], Any]] = {
        "GPT-4 class": lambda: projected("GPT-4 class", span, "1 MUSD", 2027),
        "GPT-4 class, factors": lambda: projected("GPT-4 class", span, "10 MUSD", method="factors"),
        "GPT-4 class, fast": lambda: projected("GPT-4 class", span, "1 MUSD", method="factors", regime="fast"),
        "GPT-4 class, slow": lambda: projected("GPT-4 class", span, "1 MUSD", method="factors", regime="slow"),
        "GPT-4 class, no floor": lambda: projected("GPT-4 class", span, floor=False),
        "GPT-4 class, fixed cost": lambda: projected("GPT-4 class", span, fixed_cost="1 to 2 MUSD"),
        "GPT-4 class, far": lambda: projected("GPT-4 class", (2035, 2050), paths=5000, seed=3),
        "GPT-3": lambda: projected("GPT-3", range(2022, 2028), "100 kUSD"),
        "ImageNet": lambda: projected("ImageNet", range(2016, 2028), "1 USD"),
        "GPT-2 small board": lambda: projected("GPT-2 small", span, "1 USD"),
        "CIFAR-10": lambda: projected("CIFAR-10", span, method="factors", regime="mixture"),
        "BERT-Base": lambda: projected("BERT-Base", span),
        "new capability": lambda: projected(domain(age=0), span, "1 MUSD", 2027),
        "capability of unknown age": lambda: projected(domain(), span, "1 MUSD"),
        "capability, 8-bit and utilization": lambda: projected(
            call(cm.Capability, name="own", cost=5e6, date="2024-12-26", precision="8-bit", utilization=0.3), span,
            "1 MUSD", method="factors"),
        "run": lambda: projected(run(), span, "2 MUSD"),
        "run, best hardware": lambda: projected(run(), span, "1 MUSD", hardware="best"),
        "run, market": lambda: projected(run(prices={}), range(2024, 2029)),
        "run, hyperscaler reserved": lambda: projected(run(prices={"provider": "gcp",
            "purchase_model": "reserved_1y"}), span),
        "run, given price, mfu": lambda: projected(run(prices={"price": "$2.5/h"}, mfu=0.4), span),
        "run as capability": lambda: projected(run(), span, "1 MUSD", question="capability"),
        "run as capability, factors": lambda: projected(run(), span, question="capability", method="factors"),
    }
    found = {name: guarded(make) for name, make in calls.items()}
    days = ["2025-03-01", "2026-06-01", "2027-01-01", "2028-01-01", "2031-01-01"]
    for accelerator, more in (
        ("H100-SXM", {}), ("H100-SXM", {"provider": "lambda", "count": 8}), ("A100-80GB-SXM", {"provider": "aws"}),
        ("H100-SXM", {"provider": "runpod", "purchase_model": "marketplace"}), ("H100-SXM", {"provider": "gcp",
            "purchase_model": "spot"}),
        ("L40S", {"provider": "runpod"}),
    ):
        def outlook(accelerator: str = accelerator, more: dict[str, Any] = more) -> Any:
            late = days[2:] if "purchase_model" in more else days  # no earlier facts
            rents: Any = cm.rental_outlook(accelerator, late, **more)
            return {"medians": rents.usd_per_gpu_hour, **{f"{level:g}": rents.bounds(level) for level in LEVELS}}

        found[f"rental_outlook {accelerator} {' '.join(map(str, more.values()))}".strip()] = guarded(outlook)
    dates = [2016.0, 2017.5, 2018.2, 2019.1, 2020.4, 2021.0, 2022.3, 2023.6, 2024.2, 2025.0]
    values = [1.0, 1.6, 1.9, 2.9, 4.8, 5.1, 9.7, 14.0, 15.5, 17.0]
    for model in ("constant", "decaying", "random-walk", "regimes"):
        def trend(model: Any = model) -> Any:
            fit = cm.fit_trend(dates, values, model)
            return {"factor": fit.factor(2.0), "interval": fit.interval(2.0), "scatter": fit.scatter, "aic": fit.aic,
                    "crps": fit.crps(), "level": fit.level}

        found[f"fit_trend {model}"] = guarded(trend)
    found["published trend"] = guarded(lambda: [cm.Trend.published("gpu price-performance, ml gpus").factor(3.0),
                                                cm.Trend.published("gpu price-performance, ml gpus").interval(3.0)])
    claims: dict[str, dict[str, Any]] = {
        "below 1 MUSD by 2027": {"kind": "cost", "text": "a", "reference": "GPT-4 class", "below": "1 MUSD",
            "by": 2027},
        "model of a profession": {"kind": "cost", "text": "b", "below": "1 MUSD", "by": 2027, "reference": {
            "name": "a model of a profession", "cost": "1.3 to 2.6 MUSD", "date": "2023-03-30", "age": 0}},
        "ten times in 2 to 3 years": {"kind": "decline", "text": "c", "factor": 10, "soonest": 2, "latest": 3},
        "frontier": {"kind": "group", "text": "d", "group": "frontier", "cost_from": "100 MUSD", "count_from": 10000},
        "low cost": {"kind": "group", "text": "e", "group": "low_cost", "cost_from": "5 MUSD", "cost_to": "10 MUSD",
                     "count_from": 1000, "count_to": 2048},
    }
    for name, claim in claims.items():
        found[f"claim {name}"] = guarded(lambda claim=claim: numbers(plain(cm.check_claim(claim).rows())))  # type: ignore[misc]
    costs: tuple[tuple[str, Any, dict[str, Any]], ...] = (
        ("5.576 MUSD", 5.576e6, {}), ("without staff", 5.576e6, {"staff": False}), ("range", "5 to 8 MUSD", {}),
        ("own factors", 1e6, {"multiplier": "2 to 4", "staff_share": 0.3, "seed": 5}),
    )
    for name, cost, more in costs:
        def developed(cost: Any = cost, more: dict[str, Any] = more) -> Any:
            whole: Any = cm.development_cost(cost, **more)
            return {"usd": whole.usd, "parts": numbers(plain(whole.parts()))}

        found[f"development_cost {name}"] = guarded(developed)
    found["published_runs"] = guarded(lambda: named(cm.published_runs().rows(), "id"))
    found["frontier"] = guarded(lambda: named(cm.frontier_against_low_cost().rows(), "run"))
    found["frontier summary"] = guarded(lambda: numbers(plain(cm.frontier_against_low_cost().summary())))
    found["runs estimated"] = guarded(lambda: numbers(plain(command("runs", "estimated"))))
    found["backtest"] = guarded(lambda: numbers([cm.backtest().crps(),
        [cm.backtest().coverage(level) for level in LEVELS]]))
    return found


# ---------------------------------------------------------------- budgets


def budget(project: Any) -> dict[str, Any]:
    """Return the lines of a budget, its totals and quantiles, and the shares of what drives it."""
    data = project.budget().to_dict()
    return {
        "lines": {line["name"]: {key: line[key] for key in ("quantity", "unit_price", "low", "base", "high")}
                  for line in data["lines"]},
        **{key: data[key] for key in ("total", "low", "high", "quantiles", "covered", "duration_days", "gpu_weeks")},
        "drivers": [{key: driver[key] for key in ("low", "high", "share")} for driver in data["drivers"]],
        "schedule": {task["name"]: {key: task[key] for key in ("start", "days", "gpus")} for task in data["schedule"]},
    }


def example(name: str) -> Path:
    """Return the path of an example file."""
    folder = next(each for root in ROOTS if (each := root / "examples").is_dir())
    return next(iter(sorted(folder.rglob(name))))


def budgets() -> dict[str, Any]:
    """Return the budgets of the examples, of variations, and of projects made here."""
    tickets, domain, reasoning = ("support-ticket-classifier.toml", "domain-model.toml", "reasoning-model.toml")

    def load(name: str, **changes: Any) -> Callable[[], Any]:
        given = {path.replace("__", "."): value for path, value in changes.items()}
        return lambda: budget(cm.Project.load(example(name), given))

    def run(recipe: dict[str, Any], count: int, accelerator: str = "H100-SXM") -> dict[str, Any]:
        return {"architecture": "llama-3.1-8b", "recipe": recipe, "prices": {"provider": "market", "on": "2026-09-01"},
                "cluster": {"accelerator": accelerator, "count": count}}

    def people_only() -> Any:
        return budget(cm.Project(
            name="a", people=[{"role": "engineer", "weeks": 10, "usd_per_year": 104_000, "overhead": 1.3},
                              {"role": "researcher", "months": "3 to 6"}],
            data=[{"name": "labels", "quantity": "20k", "unit": "example", "unit_price": 0.5}], contingency=0.1))

    def pretraining() -> Any:
        return budget(cm.Project(
            name="b", start="2027-01-04", contingency="0.1 to 0.3", seed=4, experiments={"runs": "3 to 6",
                "share": 0.1},
            runs=[{"name": "main", "repeats": 1, "scenario": run({"tokens": "2T", "sequence_length": 8192}, 512)}],
            storage=[{"name": "disk", "terabytes": "20 to 40", "months": 8, "price": 23}],
            other=[{"name": "audit", "unit_price": "20k to 60k USD"}]))

    def tuning() -> Any:
        lora = {"kind": "lora", "examples": 20000, "lengths": "lognormal 150 to 900", "epochs": 3}
        dpo = {"kind": "dpo", "examples": 10000, "lengths": 400}
        return budget(cm.Project(
            name="c", experiments={}, actuals={"pairs": 900.0},
            runs=[{"name": "sft", "scenario": run(lora, 1)},
                  {"name": "dpo", "scenario": run(dpo, 8), "repeats": 3, "after": ["sft"]}],
            data=[{"name": "pairs", "quantity": "2k to 4k", "kind": "preference pair", "rework": "annotation overrun"},
                  {"name": "expert pairs", "quantity": 500, "kind": "expert preference pair", "days": 20}],
            evaluation=[{"name": "judge", "quantity": "10k", "unit": "answer", "api": {
                "model": "gpt-4.1-mini", "input_tokens": 900, "output_tokens": 120}}]))

    def reinforcement() -> Any:
        grpo = {"kind": "grpo", "examples": 4000, "lengths": "500 to 4000", "sequence_length": 8192, "group_size": 16}
        return budget(cm.Project(
            name="d", runs=[{"name": "grpo", "scenario": run(grpo, 16)}], experiments={"name": "trials", "days": 14},
            people=[{"role": "researcher", "count": 2, "months": 4}],
            serving=[{"name": "pilot", "quantity": 1460, "unit": "GPU-hour", "unit_price": "0.8 to 1.9 USD"}]))

    made: dict[str, Callable[[], Any]] = {
        "tickets": load(tickets),
        "tickets, twice the data": load(tickets, contingency=0.3, data__0__quantity="40k", seed=11),
        "tickets on L40S": load(tickets, runs__0__scenario__cluster__accelerator="L40S"),
        "domain": load(domain),
        "domain, 128 GPUs": load(domain, runs__0__scenario__cluster__count=128, runs__0__repeats=2),
        "reasoning": load(reasoning),
        "reasoning, given mfu": load(reasoning, runs__0__scenario__mfu="0.2 to 0.35", contingency=0.0),
        "people and data": people_only,
        "pretraining": pretraining,
        "tuning": tuning,
        "reinforcement": reinforcement,
    }
    return {name: guarded(make) for name, make in made.items()}


# ---------------------------------------------------------------- layouts and plans


def stepped(step: Any) -> dict[str, Any]:
    """Return the time of a step by part, its memory by part, and its utilization."""
    return {
        "seconds": float(step.seconds), "breakdown": former(plain(step.si.breakdown)),
        "memory": former(plain(step.si.memory)),
        "memory total": float(step.si.memory.total), "mfu": step.mfu, "hfu": step.hfu, "flops": step.si.flops,
        "fits": bool(step.fits), "spread": step.spread, "interval": step.bounds(0.8),
    }


def bought(found: Any) -> dict[str, Any]:
    """Return what a budget buys."""
    return {"parameters": found.parameters, "tokens": found.tokens, "loss": found.loss, "interval": found.interval(0.8),
            "layers": found.architecture.parameters.total}


def layouts() -> dict[str, Any]:  # noqa: PLR0915
    """Return steps by part, searches, limits, plans, generation and what lies beside the trained model."""
    found: dict[str, Any] = {}

    def pre(sequence: int, batch: int, **more: Any) -> Any:
        return cm.Pretraining(tokens="1T", sequence_length=sequence, batch_size=batch, **more)

    def step(name: str, model: str, accelerator: str, count: int, recipe: Any, **layout: Any) -> None:
        found[f"step {name}"] = guarded(
            lambda: stepped(cm.step_time(model, cm.Cluster(accelerator, count), recipe(), cm.Layout(**layout))))

    step("8b", "llama-3.1-8b", "H100-SXM", 64, lambda: pre(8192, 128), data=32, tensor=2, recompute="selective")
    step("70b", "llama-3.1-70b", "H100-SXM", 256, lambda: pre(8192, 512), data=16, tensor=8, pipeline=2, interleave=10)
    step("70b unfused", "llama-2-70b", "A100-80GB-SXM", 128, lambda: pre(4096, 256), data=4, tensor=8, pipeline=4,
         attention="unfused", loss="whole", recompute="selective", micro_batch=1)
    step("long context", "llama-3.1-8b", "H200-SXM", 64, lambda: pre(131072, 32), data=4, tensor=4, context=4,
         recompute="full", loss="chunked")
    step("moe", "deepseek-v3", "H800-SXM", 2048, lambda: pre(4096, 15360, precision="fp8"), data=128, pipeline=16,
         expert=64, recompute="selective")
    step("moe, tensor", "mixtral-8x7b", "H100-SXM", 64, lambda: pre(4096, 256), data=16, tensor=4, expert=8,
         expert_tensor=1, overlap_tensor=True)
    step("zero-3, hybrid", "llama-2-13b", "A100-80GB-SXM", 64, lambda: pre(4096, 256), data=64, zero=3, shard=8,
         recompute="full", micro_batch=2)
    step("offloaded", "llama-2-7b", "RTX-4090", 4, lambda: pre(2048, 32), data=4, zero=3, offload_optimizer=True,
         offload_weights=True, offload_activations=True, recompute="full", eager=True)
    step("b200 fp8", "llama-3.1-70b", "B200", 64, lambda: pre(8192, 128, precision="fp8"), data=16, tensor=4)
    step("v100", "gpt2-xl", "V100-32GB-SXM2", 8, lambda: pre(1024, 512, precision="fp16"), data=8, attention="unfused")
    step("lora", "llama-3.1-8b", "A100-80GB-SXM", 4, lambda: cm.LoRA(tokens="20M", batch_size=64), data=4, zero=3)
    step("qlora", "llama-3.1-70b", "A100-80GB-SXM", 1, lambda: cm.QLoRA(tokens="20M", batch_size=16), recompute="full",
         step_in_backward=True)
    step("hybrid", "jamba-v0.1", "H100-SXM", 64, lambda: pre(4096, 256), data=8, tensor=8, recompute="full")

    def several() -> Any:
        each = [cm.Layout(data=32, tensor=2), cm.Layout(data=16, tensor=4), cm.Layout(data=64, zero=3,
            recompute="full")]
        steps = cm.step_time("llama-3.1-8b", cm.Cluster("H100-SXM", 64), pre(8192, 128), each)
        return {"seconds": steps.seconds, "memory": steps.si.memory.total, "mfu": steps.mfu}

    found["steps of three layouts"] = guarded(several)

    def searched(model: str, accelerator: str, count: int, recipe: Any, **more: Any) -> Callable[[], Any]:
        def make() -> Any:
            search = cm.search_layouts(model, cm.Cluster(accelerator, count), recipe(), **more)
            return {
                "best": stepped(search.best), "layout": search.best.layout.to_data(), "considered": search.considered,
                "evaluated": search.evaluated, "rejected": sorted(search.rejected.values()),
                "ranked": [each.seconds for each in search.ranked[:20]],
                "pareto": [[each.seconds, each.si.memory.total] for each in search.pareto],
                "by_count": {count: each.seconds for count, each in search.by_count.items()},
            }

        return make

    found["search 8b"] = guarded(searched("llama-3.1-8b", "H100-SXM", 64, lambda: pre(8192, 128), recompute=("none",
        "selective"),
                                          zero=(1, 3)))
    found["search 70b"] = guarded(searched("llama-3.1-70b", "H100-SXM", 256, lambda: pre(8192, 512), tensor=(4, 8),
        zero=1))
    found["search moe, counts"] = guarded(searched("mixtral-8x7b", "H100-SXM", 64, lambda: pre(4096, 256), counts=(32,
        64),
                                                   tensor=(1, 2), expert=(1, 8), zero=1))
    found["search, memory limit"] = guarded(searched("llama-2-7b", "A100-80GB-SXM", 8, lambda: pre(4096, 64), zero=(1,
        2, 3),
                                                     context=1, memory_limit=40 * 2**30))

    def fitting(*args: Any, **more: Any) -> Callable[[], Any]:
        def make() -> Any:
            held = cm.what_fits(*args, **more)
            return {"possible": len(held.possible), "rejected": len(held.rejected),
                    "rows": named(held.rows(), "model", "recipe", "accelerator", "count")}

        return make

    market = {"provider": "market", "on": "2026-09-01"}
    found["what_fits 8b lora"] = guarded(fitting("llama-3.1-8b", cm.LoRA(tokens="20M"), prices=market, count=[1, 4]))
    found["what_fits 70b"] = guarded(fitting("llama-3.1-70b", accelerator=["A100-80GB-SXM", "H100-SXM"], prices=market,
                                             budget=5000, deadline="2 days"))
    found["what_fits counts of one"] = guarded(fitting(None, cm.QLoRA(tokens="20M"), accelerator="RTX-4090", count=1,
                                                       memory="24 GB", prices=market))
    on = cm.Cluster("H100-SXM", 8)
    for model in ("llama-3.2-1b", "llama-3.1-8b", "qwen3-30b-a3b"):
        for kind in ("FullFineTuning", "LoRA", "QLoRA"):
            recipe = public(kind)(tokens="20M", sequence_length=4096)
            found[f"longest_sequence {model} {kind}"] = guarded(partial(cm.longest_sequence, model, recipe, on))
            found[f"largest_micro_batch {model} {kind}"] = guarded(partial(cm.largest_micro_batch, model, recipe, on))
    found["largest_model qlora"] = guarded(lambda: cm.largest_model(cm.QLoRA(tokens="20M"), cm.Cluster("RTX-4090", 1)))
    found["largest_model full"] = guarded(lambda: cm.largest_model(cm.FullFineTuning(tokens="20M"), on))
    run = cm.Scenario(architecture="llama-3.1-8b", recipe=cm.Pretraining(tokens="1T", sequence_length=8192,
        batch_size=1024),
                      cluster=cm.Cluster("H100-SXM", 256), prices=cm.Rental(price=2.5))
    law = cm.scaling_law("besiroglu-2024")
    found["allocate 1 MUSD"] = guarded(lambda: bought(cm.allocate(law, run, "1 MUSD")))
    found["allocate, ratio"] = guarded(lambda: bought(cm.allocate(law, run, "100 kUSD", tokens_per_parameter=200)))
    found["allocate, served"] = guarded(lambda: bought(cm.allocate(law, run.replace(mfu=0.4), "3 MUSD",
        served_tokens=1e12,
                                                                   serving_mfu=0.2)))
    timed = run.replace(mfu=0.4)

    def solved(scenario: Any, path: str, **target: Any) -> Callable[[], Any]:
        return lambda: cm.solve(scenario, path, **target).value

    found["solve count for wall time"] = guarded(solved(run, "cluster.count", wall_time="30 days"))
    found["solve tokens for cost"] = guarded(solved(timed, "recipe.tokens", cost="200 kUSD"))
    found["solve price for cost"] = guarded(solved(timed, "prices.price", cost="500 kUSD"))
    found["solve mfu for hours"] = guarded(solved(timed, "mfu", gpu_hours=100_000))
    for name, model, accelerator, count, more in (
        ("8b", "llama-3.1-8b", "H100-SXM", 8, {}), ("70b fp8", "llama-3.1-70b", "H100-SXM", 8, {"precision": "fp8"}),
        ("moe", "deepseek-v3", "H200-SXM", 16, {"concurrency": 256, "precision": "fp8"}),
        ("8b, two replicas", "llama-3.1-8b", "A100-80GB-SXM", 4, {"replicas": 2, "concurrency": 32}),
        ("b200", "gpt-oss-120b", "B200", 8, {"precision": "mxfp4"}), ("32b", "qwen3-32b", "L40S", 8, {}),
    ):
        found[f"generation {name}"] = guarded(partial(cm.generation, model, cm.Cluster(accelerator, count),
                                                      prompt_length=500, output_length=1000,
                                                          **more))
    small = cm.load_architecture("llama-3.1-8b")
    beside = {"dpo": cm.DPO(tokens="1M"), "dpo, lora": cm.DPO(tokens="1M", rank=16), "ppo": cm.PPO(tokens="1M"),
              "grpo": cm.GRPO(tokens="1M", reward_model="llama-3.2-1b"), "lora": cm.LoRA(tokens="1M"),
              "distillation": cm.Distillation(tokens="1M", teacher="llama-3.1-70b", learn_from="logits")}
    for kind, each in beside.items():
        found[f"auxiliary bytes {kind}"] = guarded(lambda each=each: attribute(each,  # type: ignore[misc]
            "auxiliary_bytes")(small))
    for kind, each in {"lora": cm.LoRA(tokens="20M", epochs=3), "full": cm.FullFineTuning(tokens="20M"),
                       "dpo": cm.DPO(tokens="20M"), "dpo, lora": cm.DPO(tokens="20M", rank=16)}.items():
        found[f"hosted offers {kind}"] = guarded(lambda each=each: numbers(plain(cm.hosted_offers(small,  # type: ignore[misc]
            each))))
    for accelerator, day in (
        ("H100-SXM", "2024-06-01"), ("H100-SXM", "2025-06-01"), ("H100-SXM", "2026-09-01"), ("A100-80GB-SXM",
            "2024-06-01"),
        ("A100-80GB-SXM", "2026-09-01"), ("B200", "2026-09-01"), ("MI300X", "2026-09-01"), ("RTX-4090", "2026-09-01"),
    ):
        price = partial(cm.gpu_price, accelerator, on=day)
        found[f"gpu_price {accelerator} {day}"] = guarded(lambda price=price: price().usd_per_gpu_hour)  # type: ignore[misc]
    return found


# ---------------------------------------------------------------- counts and scaling laws


def counts() -> dict[str, Any]:
    """Return parameters and forward FLOPs of every architecture of the catalogue."""

    def counted(name: str) -> Any:
        architecture = cm.load_architecture(name)
        found: dict[str, Any] = {"parameters": plain(architecture.parameters)}
        for length in (512, 8192):
            found[f"forward {length}"] = guarded(lambda length=length: cm.count_flops(architecture,  # type: ignore[misc]
                length).forward)
        found["training 4096"] = guarded(lambda: cm.count_flops(architecture, 4096).training)
        found["packed 4096"] = guarded(lambda: cm.count_flops(architecture, 4096, packing=[1024, 3072]).forward)
        found["decode 4096"] = guarded(lambda: cm.count_decode_flops(architecture, 4096))
        return found

    return {row["name"]: guarded(partial(counted, row["name"])) for row in cm.architectures()}


LAW_INPUTS = {"base": cm.scaling_law("besiroglu-2024"), "compute": 5.88e23, "parameters": 7e9, "tokens": 1e12,
    "amount": 1e10, "unique_tokens": 1e11,
              "experts": 64.0, "granularity": 8.0, "sparsity": 0.75, "teacher_loss": 2.0, "supervised_loss": 2.2,
              "weight_bits": 8.0, "activation_bits": 8.0, "cache_bits": 8.0}
"""Inputs of the laws, by name."""


def scaling() -> dict[str, Any]:
    """Return the coefficients of every law, what it makes of two budgets, and a fit."""

    def told(name: str) -> Any:
        law = cm.scaling_law(name)
        found: dict[str, Any] = {"coefficients": numbers(plain(law))}
        for compute in (1e20, 1e22):
            if hasattr(law, "allocate") and "unique_tokens" not in inspect.signature(law.allocate).parameters:
                found[f"allocate {compute:g}"] = guarded(lambda compute=compute: law.allocate(compute))  # type: ignore[misc]
        if hasattr(law, "through"):  # some laws have an exponent alone
            found["through"] = guarded(lambda: law.through(compute=5.76e23, parameters=7e10).allocate(1e24))
        for method in ("allocate", "loss"):
            if hasattr(law, method):
                taken = [name for name, each in inspect.signature(getattr(law, method)).parameters.items()
                         if each.default is each.empty]
                more = {name: LAW_INPUTS[name] for name in taken}
                found[method] = guarded(lambda method=method, more=more: getattr(law,  # type: ignore[misc]
                    method)(**more))
        return found

    found = {row["name"]: guarded(partial(told, row["name"])) for row in cm.scaling_laws()}

    def fit() -> Any:
        sizes, tokens = [1e8, 3e8, 1e9, 3e9], [1e9, 3e9, 1e10, 3e10, 1e11]
        every = [(size, seen) for size in sizes for seen in tokens]
        loss = [(1.8 + 480 / size**0.35 + 2100 / seen**0.37) * (1 + 0.004 * math.sin(7 * place))
                for place, (size, seen) in enumerate(every)]
        done = cm.fit_scaling_law([size for size, _ in every], [seen for _, seen in every], loss, bootstrap=100,
            holdout=10)
        return {"rows": numbers(plain(done.rows())), "holdout": numbers(plain(done.holdout)),
                "predict": done.predict(7e9, 1e12), "allocate": done.allocate(1e23)}

    found["fit_scaling_law"] = guarded(fit)
    return found


# ---------------------------------------------------------------- comparison

SMALLEST = 1e-15
"""Numbers that differ by less are equal: what rounding leaves of a zero."""
MOST_LINES = 60


def differences(old: Any, new: Any, tolerance: float, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...],
    str]]:
    """Yield the path and the values of everything that differs, or is in one of the two only."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            if key not in new or key not in old:
                yield (*path, key), f"only in the {'old' if key in old else 'new'}"
            else:
                yield from differences(old[key], new[key], tolerance, (*path, key))
    elif isinstance(old, list) and isinstance(new, list):
        if len(old) != len(new):
            yield path, f"{len(old)} entries, now {len(new)}"
        for index, (first, second) in enumerate(zip(old, new, strict=False)):
            yield from differences(first, second, tolerance, (*path, str(index)))
    elif not _same(old, new, tolerance):
        yield path, f"{_shown(old)} -> {_shown(new)}{_by(old, new)}"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _same(old: Any, new: Any, tolerance: float) -> bool:
    if _is_number(old) and _is_number(new):
        return bool(abs(old - new) <= max(tolerance * max(abs(old), abs(new)), SMALLEST))
    return type(old) is type(new) and bool(old == new)


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _by(old: Any, new: Any) -> str:
    return f" ({new / old - 1:+.3g})" if _is_number(old) and _is_number(new) and old else ""


def compare(old: Path, new: Path, tolerance: float) -> int:
    """Print what differs between two snapshots by section; return 1 if anything does, else 0."""
    first, second = (json.loads(path.read_text(encoding="utf-8")) for path in (old, new))
    by_section: dict[str, list[str]] = {}
    for path, what in differences(first, second, tolerance):
        by_section.setdefault(path[0], []).append(f"  {' / '.join(path[1:])}: {what}")
    total = sum(map(len, by_section.values()))
    if not total:
        print(f"equal: {_leaves(first):,} values, tolerance {tolerance:g}")
        return 0
    left = MOST_LINES - len(by_section)
    for index, (section, lines) in enumerate(by_section.items()):
        share = max(left // (len(by_section) - index), 1)  # no section takes all the lines
        shown = lines[:share]
        left -= len(shown)
        more = f", {len(shown)} shown" if len(shown) < len(lines) else ""
        print("\n".join([f"{section}: {len(lines)} differ{more}", *shown]))
    print(f"{total:,} of {_leaves(first):,} values differ by more than {tolerance:g}")
    return 1


def _leaves(value: Any) -> int:
    if isinstance(value, (dict, list)):
        return sum(map(_leaves, value.values() if isinstance(value, dict) else value))
    return 1


def errors(value: Any, path: str = "") -> Iterator[str]:
    """Yield the paths of items that failed."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from errors(each, f"{path} / {key}" if path else key)
    elif isinstance(value, str) and re.match(r"error: ", value):
        yield f"{path}: {value}"


# ---------------------------------------------------------------- the command


def main() -> int:
    """Write a snapshot, or compare two."""
    parser = argparse.ArgumentParser(description="Record the numbers of the library, or compare two such records.")
    parser.add_argument("out", nargs="?", type=Path, help="file to write")
    parser.add_argument("--shared", type=Path, help="folder with measurements/ and configs/")
    parser.add_argument("--only", action="append", help="only this section; may be repeated")
    parser.add_argument("--compare", nargs=2, type=Path, metavar=("OLD", "NEW"))
    parser.add_argument("--tolerance", type=float, default=1e-9, help="relative")
    given = parser.parse_args()
    if given.compare:
        old, new = given.compare
        return compare(old, new, given.tolerance)
    if given.out is None:
        parser.error("OUT.json or --compare OLD.json NEW.json is required")
    sections: dict[str, Callable[[], dict[str, Any]]] = {
        "estimates": estimates, "validate": lambda: validate(given.shared), "fits": fits, "projections": projections,
        "budgets": budgets, "layouts": layouts, "counts": counts, "scaling": scaling,
    }
    snapshot: dict[str, Any] = {}
    for name, make in sections.items():
        if given.only and name not in given.only:
            continue
        start = time.perf_counter()
        snapshot[name] = made = guarded(make)
        failed = list(errors(made, name))
        items = len(made) if isinstance(made, dict) else 0
        spent = time.perf_counter() - start
        print(f"{name}: {items} items, {_leaves(made):,} values, {spent:.1f} s, {len(failed)} errors")
        print("\n".join(f"  {each}" for each in failed[:20]) + "\n" * bool(failed), end="")
    given.out.write_text(json.dumps(snapshot, indent=1, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Random valid scenarios of training and serving: strategies of plain data, from which the specs are built.

Training scenarios have every recipe, a planned layout, a given one, a given speed or none, dense models and mixtures
of experts, rented and owned accelerators, one or several stages.
"""

from hypothesis import strategies as st

import costmodel as cm
from costmodel.training.recipes.table import RECIPES

CATALOG = (
    "llama-3.1-8b", "llama-3.2-1b", "qwen2.5-32b", "llama-3.1-70b", "gemma-2-9b", "olmo-2-13b", "qwen3-30b-a3b",
    "mixtral-8x7b", "deepseek-v2-lite", "deepseek-v3", "gpt-oss-20b", "nemotron-nano-9b-v2",
)  # fmt: skip
ACCELERATORS = (
    "H100-SXM", "H100-PCIe", "H200-SXM", "H800-SXM", "A100-40GB-SXM", "A100-80GB-SXM", "B200", "L40S", "L4",
    "RTX-4090", "V100-32GB-SXM2", "MI300X", "TPU-v5p",
)  # fmt: skip
UNMEASURED = {"MI300X", "TPU-v5p"}
FP8 = {"H100-SXM", "H100-PCIe", "H200-SXM", "H800-SXM", "B200"}
COUNTS = (1, 2, 4, 8, 16, 24, 64, 96, 100, 128, 512, 1000, 1024, 4096)
KINDS = tuple(sorted(RECIPES.own))
STAGES = tuple(sorted(set(RECIPES.own) - {"pretraining", "ppo", "grpo", "distillation"}))


def shares(low, high):
    """A share, as a number or a range."""
    return st.floats(low, high) | st.floats(low, high).map(lambda x: cm.between(0.95 * x, x))


@st.composite
def architectures(draw):
    """A name of the catalog, counts, or a config of random shape."""
    kind = draw(st.sampled_from(["catalog", "catalog", "config", "config", "counts"]))
    if kind == "catalog":
        return draw(st.sampled_from(CATALOG))
    if kind == "counts":
        total = draw(st.floats(1e8, 1e12))
        return {"total": total} | ({"active": total * draw(st.floats(0.05, 0.9))} if draw(st.booleans()) else {})
    heads = draw(st.sampled_from([8, 16, 32, 64]))
    config = {
        "hidden_size": 128 * heads,
        "num_attention_heads": heads,
        "num_key_value_heads": draw(st.sampled_from([4, 8])),
        "num_hidden_layers": draw(st.integers(4, 96)),
        "intermediate_size": 256 * draw(st.integers(heads // 2, heads * 2)),
        "vocab_size": draw(st.sampled_from([32000, 50304, 128256])),
        "max_position_embeddings": 131072,
        "tie_word_embeddings": draw(st.booleans()),
    }
    if draw(st.booleans()):
        return {"model_type": "llama", **config}
    experts = draw(st.sampled_from([8, 16, 64]))
    top = draw(st.integers(1, 8))
    return {"model_type": "mixtral", **config, "num_local_experts": experts, "num_experts_per_tok": top}


@st.composite
def recipes(draw, kinds=KINDS):
    """A recipe of a kind, with its usual options."""
    kind = draw(st.sampled_from(kinds))
    fields = {"kind": kind, "sequence_length": draw(st.sampled_from([512, 1024, 2048, 4096, 8192]))}
    if kind == "pretraining":
        fields["tokens"] = draw(st.floats(1e9, 2e13))
    else:
        fields["tokens"] = draw(st.floats(1e5, 1e9))
    if draw(st.booleans()):
        fields["batch_size"] = draw(st.sampled_from([8, 16, 48, 64, 256, 512, 1024]))
    fields["optimizer"] = draw(st.sampled_from(["adamw", "adamw", "adamw-8bit", "adafactor"]))
    if kind == "pretraining":
        fields["precision"] = draw(st.sampled_from(["bf16", "bf16", "fp8", "fp16"]))
    elif kind in {"ppo", "grpo"}:
        fields["prompt_length"] = draw(st.integers(64, 400))
        fields["group_size"] = draw(st.sampled_from([1, 4, 8]))
    else:
        fields["packing"] = draw(st.booleans())
        if draw(st.booleans()):
            fields["lengths"] = cm.between(100, 0.7 * fields["sequence_length"])
    if kind == "distillation":
        fields["teacher"] = "llama-3.1-8b"
    if kind not in {"pretraining", "distillation"} and draw(st.booleans()):
        fields["epochs"] = draw(st.sampled_from([1, 2, 3.5]))
    return fields


@st.composite
def prices(draw):
    """A rent, looked up or given, or ownership."""
    kind = draw(st.sampled_from(["given", "market", "committed", "owned"]))
    if kind == "market":
        return {}
    if kind == "given":
        return {"price": draw(st.floats(0.1, 30)), **draw(st.sampled_from([{}, {}, {"purchase_model": "spot"}]))}
    if kind == "committed":
        return {"price": draw(st.floats(0.1, 30)), "commitment": draw(st.sampled_from(["30 days", "400 days"]))}
    return {"kind": "owned", "purchase_price": draw(st.floats(1e3, 1e5)), "utilization": draw(st.floats(0.1, 1))}


@st.composite
def clusters(draw, counts=COUNTS):
    """A number of accelerators at a site."""
    site = draw(st.fixed_dictionaries({}, optional={
        "region": st.sampled_from(["us-virginia", "germany", "france"]), "pue": st.floats(1.02, 2),
        "electricity": st.floats(0.03, 0.4), "yearly_matched": st.floats(0, 1),
    }))  # fmt: skip
    fields = {"accelerator": draw(st.sampled_from(ACCELERATORS)), "count": draw(st.sampled_from(counts)), "site": site}
    if draw(st.booleans()) or fields["accelerator"] in {"L4", "L40S", "RTX-4090", "H100-PCIe"}:
        fields["network_bandwidth"] = draw(st.floats(1, 400))
    return fields


@st.composite
def layouts(draw, count):
    """A layout of a number of accelerators."""
    tensor = draw(st.sampled_from([t for t in (1, 2, 4, 8) if count % t == 0]))
    pipeline = draw(st.sampled_from([p for p in (1, 1, 2, 4) if count // tensor % p == 0]))
    return {
        "data": count // tensor // pipeline,
        "tensor": tensor,
        "pipeline": pipeline,
        "zero": draw(st.sampled_from([1, 3] if pipeline == 1 else [1])),
        "recompute": draw(st.sampled_from(["none", "selective", "full"])),
        "micro_batch": draw(st.sampled_from([1, 2, 4])),
    }


@st.composite
def training(draw):
    """The data of a training scenario."""
    cluster = draw(clusters())
    data = {"architecture": draw(architectures()), "cluster": cluster, "prices": draw(prices())}
    data["recipe"] = draw(recipes())
    if data["recipe"].get("precision") == "fp8" and cluster["accelerator"] not in FP8:
        del data["recipe"]["precision"]
    speeds = ["planned", "planned", "layout", "mfu", "gpu_hours"]
    if cluster["accelerator"] in UNMEASURED or "total" in data["architecture"]:
        speeds.remove("layout")  # has no step time
    speed = draw(st.sampled_from(speeds))
    if speed == "layout":
        layout = data["layout"] = draw(layouts(cluster["count"]))
        data["recipe"]["batch_size"] = layout["data"] * layout["micro_batch"] * draw(st.sampled_from([1, 2, 8]))
    elif speed == "mfu":
        data["mfu"] = draw(shares(0.05, 0.6))
    elif speed == "gpu_hours":
        data["gpu_hours"] = draw(st.floats(1e6, 1e9))
    elif draw(st.sampled_from([False, False, True])):
        data["recipe"] = [data["recipe"], draw(recipes(STAGES))]
    if cluster["accelerator"].startswith("V100"):
        for recipe in data["recipe"] if isinstance(data["recipe"], list) else [data["recipe"]]:
            recipe["precision"] = "fp16"
    if speed != "gpu_hours" and draw(st.booleans()):
        data["goodput"] = draw(shares(0.5, 0.98))
    data["scope"] = draw(st.sampled_from(["final_run", "final_run", "development"]))
    return data


@st.composite
def serving(draw):
    """The data of a scenario of serving."""
    data = {
        "architecture": draw(st.sampled_from(CATALOG)),
        "cluster": draw(clusters((1, 2, 4, 8, 16))),
        "prices": draw(prices()),
        "input_tokens": draw(st.integers(16, 8000)),
        "output_tokens": draw(st.integers(1, 2000)),
        "cached_share": draw(st.sampled_from([0.0, 0.0, 0.5])),
    }
    load = draw(st.sampled_from(["concurrency", "requests_per_second"]))
    data[load] = draw(st.integers(1, 256)) if load == "concurrency" else draw(st.floats(0.01, 5))
    return data


def scenario(data):
    """Return the scenario of training data."""
    return cm.Scenario.from_data(data)

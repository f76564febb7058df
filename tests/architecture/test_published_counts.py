"""Parameter and FLOP counts as papers and model cards print them."""

import pytest

import costmodel as cm

PYTHIA = {
    "pythia-70m": "18,915,328",
    "pythia-160m": "85,056,000",
    "pythia-410m": "302,311,424",
    "pythia-1b": "805,736,448",
    "pythia-1.4b": "1,208,602,624",
    "pythia-2.8b": "2,517,652,480",
    "pythia-6.9b": "6,444,163,072",
    "pythia-12b": "11,327,027,200",
}
MEGATRON = {
    "megatron-gpt-3.6b": "3.6",
    "megatron-gpt-7.5b": "7.5",
    "megatron-gpt-18.4b": "18.4",
    "megatron-gpt-39.1b": "39.1",
    "megatron-gpt-76.1b": "76.1",
    "megatron-gpt-145.6b": "145.6",
    "megatron-gpt-310.1b": "310.1",
    "megatron-gpt-529.6b": "529.6",
    "megatron-gpt-1t": "1008.0",
}
LLAMA = {"llama-7b": "6.7", "llama-13b": "13.0", "llama-33b": "32.5", "llama-65b": "65.2"}
QWEN_2_5 = {
    "qwen2.5-0.5b": ("0.49", "0.36"),
    "qwen2.5-1.5b": ("1.54", "1.31"),
    "qwen2.5-3b": ("3.09", "2.77"),
    "qwen2.5-7b": ("7.61", "6.53"),
    "qwen2.5-72b": ("72.7", "70.0"),
}
QWEN_3 = {
    "qwen3-0.6b": ("0.6", "0.44"),
    "qwen3-1.7b": ("1.7", "1.4"),
    "qwen3-4b": ("4.0", "3.6"),
    "qwen3-8b": ("8.2", "6.95"),
    "qwen3-14b": ("14.8", "13.2"),
    "qwen3-32b": ("32.8", "31.2"),
    "qwen3-30b-a3b": ("30.5", "29.9"),
    "qwen3-235b-a22b": ("235", "234"),
}
MIXTURES = {  # total, active
    "mixtral-8x7b": ("46.7", "12.9", "Jiang et al. 2024 (arXiv 2401.04088)", "Text of the announcement (mistral.ai)"),
    "mixtral-8x22b": ("141", "39", "Mistral AI 2024 (mistral.ai, Mixtral 8x22B)", "Text"),
    "dbrx": ("132", "36", "Databricks 2024 (databricks.com, Introducing DBRX)", "Text"),
    "qwen3-235b-a22b": ("235", "22", "Qwen3 model cards (huggingface.co/Qwen)", "Activated parameters"),
    "qwen3-coder-480b-a35b": ("480", "35", "Qwen3 model cards (huggingface.co/Qwen)", "Activated parameters"),
    "jamba-v0.1": ("52", "12", "Lieber et al. 2024 (arXiv 2403.19887)", "Abstract"),
}
WITHOUT_EMBEDDING = {  # total, and active without the input embedding
    "deepseek-v3": ("671", "37", "DeepSeek-AI 2024 (arXiv 2412.19437)", "Abstract"),
    "gpt-oss-120b": ("116.83", "5.13", "OpenAI 2025 (arXiv 2508.10925)", "Table 1"),
    "gpt-oss-20b": ("20.91", "3.61", "OpenAI 2025 (arXiv 2508.10925)", "Table 1"),
}
GPT_3 = {  # 300 billion tokens each
    "gpt3-125m": "2.25E+20",
    "gpt3-350m": "6.41E+20",
    "gpt3-760m": "1.37E+21",
    "gpt3-2.7b": "4.77E+21",
    "gpt3-6.7b": "1.20E+22",
    "gpt3-13b": "2.31E+22",
    "gpt3-175b": "3.14E+23",
}


def without_embeddings(name):
    rows = {row["part"]: row["parameters"] for row in cm.load_architecture(name).table(2048).rows()}
    return rows["total"] - rows["embedding"] - rows["head"]


def total(name):
    return cm.load_architecture(name).parameters.total


@pytest.mark.golden(source="Biderman et al. 2023 (arXiv 2304.01373)", table="Table 1 and the model cards of Pythia")
@pytest.mark.parametrize(("name", "published"), PYTHIA.items())
def test_pythia_parameters_without_embeddings(name, published, golden):
    golden(f"parameters of {name} without embeddings", published, without_embeddings(name))


@pytest.mark.parametrize(
    ("name", "published"),
    [
        pytest.param(*row, marks=pytest.mark.golden(source=source, table=table))
        for source, table, rows in (
            ("Narayanan et al. 2021 (arXiv 2104.04473)", "Table 1", MEGATRON),
            ("Touvron et al. 2023, LLaMA (arXiv 2302.13971)", "Table 2", LLAMA),
        )
        for row in rows.items()
    ],
)
def test_parameters_in_billions(name, published, golden):
    digits = 2 if name == "llama-65b" else None  # printed without rounding: 65.29e9
    golden(f"parameters of {name} [1e9]", published, total(name) / 1e9, digits)


@pytest.mark.golden(source="Qwen2.5 and Qwen3 model cards (huggingface.co/Qwen)", table="Number of parameters")
@pytest.mark.parametrize(("name", "published", "plain"), [(name, *row) for name, row in (QWEN_2_5 | QWEN_3).items()])
def test_qwen_parameters(name, published, plain, golden):
    """Some cards print the digits without rounding: 7.6156e9 as 7.61, 70.21e9 as 70.0."""
    least = 2 if name in QWEN_2_5 else None
    golden(f"parameters of {name} [1e9]", published, total(name) / 1e9, least)
    golden(f"parameters of {name} without embeddings [1e9]", plain, without_embeddings(name) / 1e9, least)


def marked(rows):
    """Return test cases that carry the source of their row."""
    return [
        pytest.param(name, whole, active, marks=pytest.mark.golden(source=source, table=table))
        for name, (whole, active, source, table) in rows.items()
    ]


@pytest.mark.parametrize(("name", "whole", "active"), marked(MIXTURES))
def test_total_and_active_parameters_of_moe_models(name, whole, active, golden):
    counts = cm.load_architecture(name).parameters
    golden(f"parameters of {name} [1e9]", whole, counts.total / 1e9)
    golden(f"active parameters of {name} [1e9]", active, counts.active / 1e9)


@pytest.mark.parametrize(("name", "whole", "active"), marked(WITHOUT_EMBEDDING))
def test_active_parameters_without_the_input_embedding(name, whole, active, golden):
    counts = cm.load_architecture(name).parameters
    golden(f"parameters of {name} [1e9]", whole, counts.total / 1e9)
    active_blocks = (counts.active - counts.embedding) / 1e9
    golden(f"active parameters of {name} without the input embedding [1e9]", active, active_blocks)


@pytest.mark.golden(source="Brown et al. 2020 (arXiv 2005.14165)", table="Table D.1, 6 N D for 300 billion tokens")
@pytest.mark.parametrize(("name", "published"), GPT_3.items())
def test_training_flops_of_gpt_3(name, published, golden):
    golden(f"training FLOPs of {name}", published, cm.flops_per_token(cm.load_architecture(name), 2048, "6n") * 300e9)


@pytest.mark.golden(source="Grattafiori et al. 2024 (arXiv 2407.21783)", table="Section 3.2: 405B on 15.6T tokens")
def test_training_flops_of_llama_3_405b(golden):
    architecture = cm.load_architecture("llama-3.1-405b")
    golden("training FLOPs of Llama 3 405B", "3.8e25", cm.flops_per_token(architecture, 8192, "6n") * 15.6e12)


@pytest.mark.golden(source="Zhao et al. 2025 (arXiv 2505.09343)", table="Table 2, sequences of 4,096 tokens")
def test_training_flops_per_token_of_deepseek_v3(golden):
    flops = cm.count_flops(cm.load_architecture("deepseek-v3"), 4096)
    golden("training GFLOPs per token of DeepSeek-V3", "250", (flops.forward + flops.backward) / 4096 / 1e9)


KORTHIKANTI = {  # sequences, GPUs, seconds per iteration, MFU and HFU [%], digits of both that the seconds resolve
    "megatron-gpt-22b": (4, 8, 1.10, "41.5", "43.7", 2),
    "gpt3-175b-megatron": (64, 64, 13.75, "51.4", "52.8", 3),
    "megatron-gpt-529.6b": (280, 280, 37.83, "56.0", "57.0", 3),
    "megatron-gpt-1t": (512, 512, 71.49, "56.3", "57.0", 3),
}


@pytest.mark.golden(source="Korthikanti et al. 2022 (arXiv 2205.05198)", table="Table 5, from the time per iteration")
@pytest.mark.parametrize("name", KORTHIKANTI)
def test_utilization_of_megatron_runs(name, golden):
    """Hardware FLOPs count the attention term twice: selective recomputation repeats it (appendix A)."""
    sequences, gpus, seconds, mfu, hfu, digits = KORTHIKANTI[name]
    full, causal = (cm.flops_per_token(cm.load_architecture(name), 2048, rule) for rule in ("full", "causal"))
    recomputed = 2 * (full - causal)
    peak_flops = seconds * gpus * 312e12
    golden(f"MFU of {name} [%]", mfu, 100 * full * sequences * 2048 / peak_flops, digits)
    golden(f"HFU of {name} [%]", hfu, 100 * (full + recomputed) * sequences * 2048 / peak_flops, digits)

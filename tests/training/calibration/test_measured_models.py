"""Architectures of rows of measured steps: by columns, by name and software, and by shape."""

import re

import pytest

from costmodel.foundation.errors import InputError, MissingFactError
from costmodel.foundation.tables import read_csv, table
from costmodel.training.calibration.measured_models import STYLES, architecture_of

BRIDGE = "Megatron-Bridge"
GPT = {"model": "GPT 2B", "n_layers": "24", "d_model": "2048", "n_heads": "16"}
LLAMA = {"n_layers": "32", "d_model": "4096", "n_heads": "32", "n_kv_heads": "8", "d_ff": "14336"}
SIZE = re.compile(r"(?<![\d.a-z])(\d+(?:\.\d+)?)([mbt])\b", re.IGNORECASE)
SCALE = {"m": 1e6, "b": 1e9, "t": 1e12}


def of(model, software="", **cells):
    return architecture_of({"software": software, "model": model, **cells})


def size_in(name):
    """Return the parameters in a name, and half of its last digit."""
    spaced = re.sub(r"(\d)_(?=\d+B)", r"\1.", name).replace("_", " ")  # 1_8B is 1.8B
    if (match := SIZE.search(spaced)) is None:
        return None
    number, unit = match.group(1), SCALE[match.group(2).lower()]
    return float(number) * unit, 0.5 * 10.0 ** -len(number.partition(".")[2]) * unit


def body(architecture):
    """Return the parameters without learned positions, which grow with the sequence and are not in a name."""
    return architecture.parameters.total - architecture.positions * architecture.width


def test_unflagged_rows_resolve_to_the_size_in_their_name(shared):
    rows = [row for row in read_csv(shared / "measurements" / "step_times.csv").rows if not row["flag"]]
    off = {}
    for row in rows:
        total, named = body(architecture_of(row)), size_in(row["model"])
        if named is not None and abs(total - named[0]) > max(0.08 * named[0], named[1]):
            off[row["model"]] = f"{total:.3g}"
    # rounded down by its source, which prints 8.7B elsewhere
    assert set(off) == {"8B"}


def test_every_row_resolves_even_if_flagged(shared):
    for row in read_csv(shared / "measurements" / "step_times.csv").rows:
        architecture_of(row)


@pytest.mark.parametrize(
    "row",
    [row for row in table("measurements/measured_models").rows if row["model"] != "*"],
    ids=lambda row: row["model"].partition("|")[0],
)
def test_every_name_of_the_table_resolves_to_its_size(row):
    assert row["source"]
    assert bool(row["architecture"]) != bool(row["n_layers"])
    assert row["style"] in {"", *STYLES}
    shape = {column: row[column] for column in ("n_layers", "d_model")}
    for name in row["model"].split("|"):
        architecture = of(name, row["software"].partition("|")[0], **shape)
        named = size_in(name)
        if named is not None and name not in {"8B", "Qwen-7B"} and not re.search(r"17Bx|17B-16E", name):
            # those have 8.7B and 7.7B; 17B are active
            assert body(architecture) == pytest.approx(named[0], abs=max(0.08 * named[0], named[1])), name


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("LLAMA3_70B", "llama-3-70b"),
        ("LLAMA3-8B", "llama-3-8b"),
        ("LLAMA3.1_405B", "llama-3.1-405b"),
        ("llama31_405b", "llama-3.1-405b"),
        ("llama3_1_8b", "llama-3.1-8b"),
        ("Meta-Llama-3.1-8B-Instruct", "llama-3.1-8b"),
        ("LLAMA2-13B", "llama-2-13b"),
        ("Llama 2 70B (LoRA)", "llama-2-70b"),
        ("llama2_70b_lora", "llama-2-70b"),
        ("LLaMA-65B", "llama-65b"),
        ("Llama 3 (8B)", "llama-3-8b"),
        ("Llama-4-Scout-17B-16E", "llama-4-scout"),
        ("Qwen2.5 7B", "qwen2.5-7b"),
        ("Qwen3_30B_a3B (tokendrop)", "qwen3-30b-a3b"),
        ("Qwen3_235B_a22B (dropless)", "qwen3-235b-a22b"),
        ("Qwen3_Next_80B_a3B", "qwen3-next-80b-a3b"),
        ("qwen3_1p7b", "qwen3-1.7b"),
        ("GPT OSS 120B", "gpt-oss-120b"),
        ("GPT_OSS_20B", "gpt-oss-20b"),
        ("Nemotron_3_Nano", "nemotron-3-nano-30b-a3b"),
        ("Nemotron V3 Nano 30B (26.02)", "nemotron-3-nano-30b-a3b"),
        ("Kimi_K2", "kimi-k2"),
        ("Qwen2.5 32B 2-node", "qwen2.5-32b"),
        ("LLAMA3-8B-64K", "llama-3-8b"),
        ("Gemma3 27B", "gemma-3-27b-text"),
        ("Mixtral 8x7B", "mixtral-8x7b"),
        ("mixtral_8x22b", "mixtral-8x22b"),
        ("Gemma 2 9B", "gemma-2-9b"),
        ("Moonlight_16B", "moonlight-16b-a3b"),
        ("GPT3-1.3B", "gpt3-1.3b"),
    ],
)
def test_spellings_of_model_names(spelling, name):
    assert of(spelling, BRIDGE).name == name


def test_version_number_is_not_read_as_size():
    with pytest.raises(MissingFactError):
        of("GPT 31.3B", "nobody")  # not GPT3 1.3B
    with pytest.raises(MissingFactError):
        of("OPT-67B", "nobody")  # not OPT-6.7B


@pytest.mark.parametrize(
    ("model", "software", "count"),
    [
        ("DeepSeekV3 (w/o MTP)", BRIDGE, 0),
        ("DeepSeekV3 (w/ MTP)", BRIDGE, 1),
        ("DeepSeekV3 (without MTP)", "elsewhere", 0),
        ("DeepSeek-V3 w/o MTP", BRIDGE, 0),
        ("DeepSeekV3 (2 MTP)", BRIDGE, 2),
        ("DeepSeekV3", BRIDGE, 1),
        ("DeepSeekV3 (dropless)", BRIDGE, 1),
        ("DeepSeek V3 671B", "NeMo AutoModel", 0),
        ("Qwen3_30B_a3B", BRIDGE, 0),
    ],
)
def test_multi_token_prediction_layers(model, software, count):
    architecture = of(model, software)
    assert architecture.prediction_layers == count
    assert (architecture.parameters.prediction > 0) == (count > 0)
    assert (architecture.prediction_layer is not None) == (count > 0)


def test_an_unknown_prediction_layer_is_an_error():
    with pytest.raises(MissingFactError, match="multi-token-prediction layer of qwen3-30b-a3b"):
        of("Qwen3_30B_a3B (w/ MTP)", BRIDGE)


def test_gpt_shape_has_defaults_of_its_block_style():
    architecture = architecture_of(GPT)
    layer = architecture.layers[0]
    assert (architecture.depth, architecture.width, architecture.vocabulary) == (24, 2048, 51200)
    assert (architecture.tied, architecture.positions) == (True, 2048)
    assert (layer.mixer.kv_heads, layer.feed_forward.inner_width, layer.feed_forward.gated) == (16, 8192, False)
    # 12 L d^2 + 13 L d, the embedding, positions and the last norm
    assert architecture.parameters.total == 24 * (12 * 2048**2 + 13 * 2048) + (51200 + 2048) * 2048 + 2 * 2048


def test_shape_determines_block_style():
    """A part of a name is not a model: "my qwen killer" is not Qwen."""
    gated = of("my model", **LLAMA, vocab="128256")
    assert gated.parameters == of("llama-3-8b").parameters
    assert of("my qwen killer", **LLAMA, vocab="128256").parameters == gated.parameters
    plain = {**LLAMA, "d_ff": "16384", "n_kv_heads": "32"}
    assert not of("Llama-like", **plain).layers[0].feed_forward.gated
    assert of("Llama-like", **{**plain, "n_kv_heads": "8"}).layers[0].feed_forward.gated


def test_block_style_determines_blocks():
    assert of("a", **LLAMA, style="qwen2").layers[0].mixer.qkv_bias
    assert of("a", **LLAMA, style="qwen3").layers[0].mixer.qk_norm == "head"
    squared = of("a", **{**LLAMA, "d_ff": "16384"}, style="nemotron")
    assert not squared.layers[0].feed_forward.gated
    assert squared.vocabulary == 256000


def test_stated_shape_has_precedence_over_name():
    small = of("LLAMA3_8B", **{**LLAMA, "n_layers": "4"}, vocab="128256")
    assert small.depth == 4
    assert of("Qwen3_30B_a3B", n_layers="4").depth == 4  # its layers are all alike
    with pytest.raises(MissingFactError, match="not that of qwen3-30b-a3b"):
        of("Qwen3_30B_a3B", d_model="1024")
    with pytest.raises(MissingFactError, match="not that of deepseek-v3"):
        of("DeepSeekV3 (16 layers)")
    assert of("GPT3-5B", "NeMo", n_layers="30", d_model="4096", n_heads="32").depth == 30


@pytest.mark.parametrize(("vocabulary", "named"), [(129_000, True), (130_800, True), (131_200, False)])
def test_vocabulary_may_be_padded_by_2_percent(vocabulary, named):
    """Llama 3.1 has 128,256 tokens; a model with another vocabulary is built from its shape."""
    stated = of("llama-3.1-8b", **LLAMA, vocab=str(vocabulary))
    assert stated.vocabulary == (128_256 if named else vocabulary)


def test_bare_size_depends_on_software_and_shape():
    assert of("1.7B", "Megatron-LM", d_model="2048").vocabulary == 131072
    assert of("1.7B", "Megatron-LM", d_model="2304").vocabulary == 51200
    assert of("GPT 39B", "Megatron-LM").parameters != of("GPT 39B", "Alpa").parameters
    with pytest.raises(MissingFactError, match=r"'1\.7B'.*several models have this name; needed are n_layers, d_model"):
        of("1.7B", "Megatron-LM")
    with pytest.raises(MissingFactError, match=r"'1\.7B'"):
        of("1.7B")


def test_source_does_not_change_the_architecture():
    assert of("GPT 39B", "Megatron-LM", source="alpa benchmark") is of("GPT 39B", "Megatron-LM")
    with pytest.raises(MissingFactError):
        of("1.7B", source="Narayanan2021 T1, Megatron-LM README weak scaling")


def test_columns_state_the_architecture():
    assert architecture_of({"architecture": "deepseek-v3", "model": "mine"}).name == "deepseek-v3"
    assert architecture_of({"architecture": "deepseek-v3", "prediction_layers": "0"}).prediction_layers == 0
    shape = {"style": "gpt", "n_layers": "2", "d_model": "512", "n_heads": "8", "vocab": "1000", "tied": "no"}
    decoder = architecture_of({"model": "mine", **shape, "positions": "64"})
    assert (decoder.tied, decoder.positions, decoder.vocabulary, decoder.depth) == (False, 64, 1000, 2)
    assert architecture_of({"model": "mine", **shape, "style": "qwen3", "d_ff": "2048"}).layers[0].mixer.qk_norm
    with pytest.raises(InputError, match="style: unknown word 'bert'; accepted: gpt, llama"):
        architecture_of({"model": "mine", **shape, "style": "bert"})


def test_equal_rows_give_the_same_object():
    assert architecture_of(GPT) is architecture_of(dict(GPT))
    assert of("DeepSeekV3 (w/o MTP)", BRIDGE) is of("DeepSeekV3 (w/o MTP)", BRIDGE, note="x")
    assert architecture_of(GPT) is architecture_of({**GPT, "n_layers": "24.0", "vocab": "", "note": "x"})


def test_an_unknown_model_is_an_error_with_the_missing_columns():
    with pytest.raises(MissingFactError, match=r"'Enigma 9B' is not known: needed are n_layers, d_model, n_heads"):
        of("Enigma 9B")
    with pytest.raises(MissingFactError, match="needed are d_ff"):
        of("Llama-like", n_layers="4", d_model="512", n_heads="8", style="llama")
    with pytest.raises(MissingFactError, match="mixture"):
        of("GPT-MoE 8x1B", n_layers="4", d_model="512", n_heads="8")
    with pytest.raises(MissingFactError):
        architecture_of({})


@pytest.mark.parametrize("layers", ["many", "-3", "2.5"])
def test_layers_must_be_a_whole_number_above_0(layers):
    with pytest.raises(InputError, match=r"n_layers must be .*(whole number|above 0)"):
        architecture_of({**GPT, "n_layers": layers})


@pytest.mark.parametrize("heads", [{"n_heads": "17"}, {"n_kv_heads": "3"}], ids=str)
def test_width_and_heads_must_be_multiples(heads):
    with pytest.raises(InputError, match="multiple of the next"):
        architecture_of({**GPT, **heads})

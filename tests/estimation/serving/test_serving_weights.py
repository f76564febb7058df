"""Format of the weights of a served model: that of the released checkpoint by default."""

import pytest

import costmodel as cm
from costmodel.architecture.loading import catalog
from costmodel.estimation.serving.weights import is_overruled, keeps_own, stored_of, weights_note
from costmodel.serving.step.formats import FORMATS, format_of, released_format, weight_bytes

LENGTHS = {"input_tokens": 1000, "output_tokens": 500, "concurrency": 64}


def test_deepseek_v3_is_served_in_fp8_by_default():
    cluster = cm.Cluster("H200-SXM", 8)
    estimate = cm.estimate(cm.Serving("deepseek-v3", cluster, **LENGTHS))
    given = cm.estimate(cm.Serving("deepseek-v3", cluster, precision="fp8", **LENGTHS))
    assert estimate.value("tpot") == given.value("tpot")
    assert any("weights: fp8, by default, as released in deepseek-ai/DeepSeek-V3" in note for note in estimate.notes())


@pytest.mark.parametrize(
    ("name", "precision"),
    [("deepseek-r1", "fp8"), ("deepseek-v3.2", "fp8"), ("kimi-k2", "fp8"), ("minimax-m2.5", "fp8")]
    + [("gpt-oss-20b", "mxfp4"), ("gpt-oss-120b", "mxfp4")]
    + [(name, "bf16") for name in ("qwen3-235b-a22b", "llama-3.1-8b", "glm-5")],
)
def test_released_weights_have_the_format_of_their_config(name, precision):
    model = cm.load_architecture(name)
    assert released_format(model) == format_of(model, precision)


def test_entries_of_the_catalog_name_formats_and_a_source():
    entries = {name: entry["checkpoint"] for name, entry in catalog().things.items() if "checkpoint" in entry}
    assert len(entries) == 8
    required = {"precision", "repository", "source"}
    for name, entry in entries.items():
        assert required <= entry.keys() <= {*required, "experts", "experts_bits"}, name
        assert entry["precision"] in FORMATS and entry.get("experts", "fp8") in FORMATS, name
        assert f"config.json of {entry['repository']}" in entry["source"], name


def test_experts_can_have_a_format_of_their_own():
    """Kimi-K2.5 quantizes its routed experts to 4 bits with a 16-bit scale per 32, and nothing else."""
    model = cm.load_architecture("kimi-k2.5")
    experts = format_of(model, "mxfp4")
    released = released_format(model)
    assert weight_bytes(model, released) == weight_bytes(model, experts._replace(bits=4.5))
    assert released.product == "bf16" and released.is_quantized


def test_experts_of_deepseek_v4_have_4_bits_and_its_other_matrices_8():
    model = cm.load_architecture("deepseek-v4-flash")
    eight, experts = format_of(model, "fp8"), format_of(model, "mxfp4")
    saved = weight_bytes(model, FORMATS["bf16"]) - weight_bytes(model, experts)
    in_eight = weight_bytes(model, eight) - saved * (8 - 4.25) / (16 - 4.25)
    assert weight_bytes(model, released_format(model)) == pytest.approx(in_eight)


def test_training_and_rollouts_do_not_depend_on_the_released_format(catalog_config):
    named, plain = cm.load_architecture("deepseek-v3"), cm.load_architecture(catalog_config("deepseek-v3"))
    assert named.stored_bytes == plain.stored_bytes == pytest.approx(2 * named.parameters.total, rel=1e-3)
    assert format_of(named, "bf16") == FORMATS["bf16"]


def test_a_changed_copy_has_no_released_weights():
    changed = cm.load_architecture("deepseek-v3").replace(name="other")
    assert released_format(changed) == FORMATS["bf16"]


def test_the_note_names_the_given_and_the_released_format(catalog_config):
    model = cm.load_architecture("gpt-oss-20b")
    assert weights_note(model, "mxfp4") == "mxfp4"
    assert weights_note(model, "bf16") == "bf16, as given; the released checkpoint has mxfp4"
    plain = cm.load_architecture(catalog_config("deepseek-v3"))
    assert weights_note(plain, None) == "bf16, by default: the config has no quantization_config"
    config = {**catalog_config("deepseek-v3"), "quantization_config": {"quant_method": "fp8"}}
    read = cm.load_architecture(config)
    assert weights_note(read, None) == "8 bits, by default those of the given checkpoint"


def test_the_precision_of_a_checkpoint_may_be_given(catalog_config):
    config = {**catalog_config("gpt-oss-20b"), "quantization_config": {"quant_method": "mxfp4"}}
    read = cm.load_architecture(config)
    assert not keeps_own(read, "mxfp4") and keeps_own(read, "fp8")
    assert stored_of(read, None) == stored_of(read, "mxfp4")


def test_a_size_compares_released_weights_in_place_of_larger_ones():
    model = cm.load_architecture("deepseek-v3")
    assert [is_overruled(model, name) for name in ("bf16", "fp8", "nvfp4")] == [True, False, False]
    sizes = cm.size_serving("deepseek-v3", accelerators=["B200"], precisions=["bf16", "fp8"], **LENGTHS)
    assert [size.precision for size in sizes.options] == ["stored"]
    assert "stored: fp8, by default, as released in deepseek-ai/DeepSeek-V3" in " ".join(str(sizes).split())

"""The table of parts adds up; shapes for a size come near it; packed and decoded FLOPs."""

import numpy as np
import pytest

import costmodel as cm
from costmodel.architecture.counting import flops_by_part
from costmodel.architecture.flops import count_decode_flops


@pytest.mark.parametrize("name", ["llama-3.1-8b", "deepseek-v3", "gpt2", "opt-350m", "gpt-oss-20b"])
def test_the_parts_add_up(name):
    architecture = cm.load_architecture(name)
    *_, total = architecture.table(2048).rows()
    flops = cm.count_flops(architecture, 2048)
    assert total["parameters"] == architecture.parameters.total
    assert total["active"] == architecture.parameters.active
    assert total["flops_per_token"] == pytest.approx(flops.forward / 2048, rel=1e-12)


def test_the_table_is_text_and_html():
    table = cm.load_architecture("deepseek-v3").table()
    assert "experts" in str(table) and "total, without prediction" in str(table)
    named = cm.load_architecture("gpt2").replace(name="<script>")
    assert "<script>" not in named.table()._repr_html_()


@pytest.mark.parametrize("size", ["1B", "3B", "8B", "70B", "400B"])
def test_a_shape_comes_near_its_size(size):
    architecture = cm.Architecture.sized(size)
    wanted = float(size[:-1]) * 1e9
    assert architecture.parameters.total == pytest.approx(wanted, rel=0.03)
    assert 90 <= architecture.width / architecture.depth <= 175
    assert "by rule" in architecture.source
    again = cm.load_architecture(architecture.to_data())
    assert again.parameters == architecture.parameters


def test_sizes_grow_with_what_is_asked():
    totals = [cm.Architecture.sized(size, vocabulary=32_000).parameters.total for size in np.geomspace(1e8, 1e12, 25)]
    assert totals == sorted(totals)


@pytest.mark.parametrize("size", [3e8, 3e9, 2.2e10, 1.1e12])
@pytest.mark.parametrize("tied", [False, True])
def test_one_layer_more_or_less_is_not_nearer_to_the_size(size, tied):
    architecture = cm.Architecture.sized(size, tied=tied)
    (layer,) = architecture.layers
    distances = [
        abs(architecture.replace(layers=[layer.replace(count=layer.count + more)]).parameters.total - size)
        for more in (-1, 0, 1)
    ]
    assert min(distances) == distances[1]


def test_a_size_below_its_embedding_is_refused():
    with pytest.raises(cm.InputError, match="no shape of the rule comes near"):
        cm.Architecture.sized("10M")


def test_packed_documents_do_not_see_each_other():
    architecture = cm.load_architecture("llama-3.1-8b")
    whole = cm.count_flops(architecture, 4096)
    packed = cm.count_flops(architecture, 4096, packing=[1024] * 4)
    mixed = cm.count_flops(architecture, 4096, packing=[4000, 96])
    parts = flops_by_part(architecture, 4096.0)
    per_pair = 4 * 32 * 32 * 128  # two products of 2 FLOPs over heads of 128, in 32 layers of 32 heads
    assert whole.forward - packed.forward == pytest.approx(per_pair * (4096**2 - 4 * 1024**2) / 2)
    assert packed.forward < mixed.forward < whole.forward
    assert parts["head"] == 2 * 4096 * 4096 * 128_256
    with pytest.raises(cm.InputError, match="must add up"):
        cm.count_flops(architecture, 4096, packing=[1000, 96])


def test_decoding_reads_all_weights_and_the_cache():
    architecture = cm.load_architecture("llama-3.1-8b")
    matrices = architecture.parameters.total - architecture.parameters.embedding - 65 * 4096
    assert count_decode_flops(architecture, 1000) == pytest.approx(2 * matrices + 4 * 32 * 32 * 128 * 1000)
    assert count_decode_flops(architecture, 1000, 8) == 8 * count_decode_flops(architecture, 1000)


def test_a_window_bounds_what_a_new_token_sees():
    mistral = cm.load_architecture("mistral-7b")
    window = mistral.layers[0].mixer.window
    assert count_decode_flops(mistral, window) == count_decode_flops(mistral, 100 * window)


def test_latent_attention_decodes_in_its_latent():
    """Scores over rank + rotary width, values over rank (DeepSeek-V2, arXiv 2405.04434, appendix C)."""
    architecture = cm.load_architecture("deepseek-v3")
    per_context = count_decode_flops(architecture, 2000) - count_decode_flops(architecture, 1000)
    assert per_context == pytest.approx(1000 * 61 * 128 * 2 * (512 + 64 + 512), rel=1e-9)

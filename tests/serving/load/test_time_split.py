"""Time of a replica by kind of token, and golden dollars of the roofline."""

import pytest

import costmodel as cm
from costmodel.serving.engine.recipes import recipe_of
from costmodel.serving.load.requests import requests_of
from costmodel.serving.load.served import Model, layout_of, serve
from costmodel.serving.load.time_split import time_split
from costmodel.serving.step.formats import format_of


def served(cached_share=0.0, **lengths):
    architecture, cluster = cm.load_architecture("llama-3.1-8b"), cm.Cluster("H100-SXM", 1)
    requests = requests_of(**{"input_tokens": 1000, "output_tokens": 1000, "cached_share": cached_share, **lengths})
    model = Model(architecture, format_of(architecture, "bf16"), "bf16", requests)
    return serve(model, cluster, layout_of(architecture, 1), recipe_of(cluster.accelerator, "vllm", "default"))[0]


def roofline_replica():
    """Return a replica without overheads, at the peaks of the accelerator."""
    replica = served()
    perfect = dict.fromkeys(
        ("bandwidth", "cache_bandwidth", "state_bandwidth", "mfu", "expert_mfu", "prompt_expert_mfu"), 1.0
    )
    none = dict.fromkeys(("layer", "moe_layer", "quantized_layer", "step", "sequence", "prompt_layer", "exchange"), 0.0)
    constants = replica.constants._replace(
        **perfect, **none, attention_mfu=1.0, prompt_attention_mfu=1.0, element_share=0.0
    )
    hardware = replica.hardware._replace(bandwidth=3.35e12, peak=989.4e12, attention_peak=989.4e12)
    read_once = replica.work._replace(dense_flops=0.0)  # the weights take longer than the products
    return replica._replace(constants=constants, hardware=hardware, work=read_once)


def test_dollars_of_the_roofline_of_llama_8b():
    """By hand: 64 requests of 1,000 + 1,000 tokens on one H100 at 2.50 USD/hour; 8.2366 ms a step."""
    replica = roofline_replica()
    assert float(replica.step(64.0)) == pytest.approx(8.2366e-3, rel=1e-4)
    assert replica.prompt == pytest.approx(15.435e-3, rel=2e-3)
    split = time_split(replica, 64.0)
    second = 2.50 / 3600
    assert second * split.output / 1000 * 1e6 == pytest.approx(0.0894, abs=1e-4)
    assert second * split.new_input / 1000 * 1e6 == pytest.approx(0.01072, abs=3e-5)
    assert second * split.total == pytest.approx(1.001e-4, rel=1e-3)


@pytest.mark.parametrize("cached_share", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("batch", [1.0, 40.0])
def test_the_parts_are_the_time_of_a_request(cached_share, batch):
    replica = served(cached_share)
    split = time_split(replica, batch)
    assert split.total == pytest.approx(replica.output_tokens * float(replica.seconds(batch)) / batch)
    assert (split.cached_input > 0) == (cached_share > 0) and split.new_input > 0


def test_cached_tokens_cost_far_less_than_new_ones():
    split = time_split(served(0.5, input_tokens=4000), 40.0)
    assert split.cached_input < 0.2 * split.new_input


def test_a_distribution_of_lengths_has_its_means():
    requests = requests_of(cm.samples([100, 300]), cm.samples([100, 300, 500, 700]))
    assert requests.input_tokens == 200 and requests.output_tokens == 400
    assert requests.decoded == pytest.approx((100**2 + 300**2 + 500**2 + 700**2) / 1600)
    assert requests.variability == pytest.approx(50000 / 160000)


def test_long_answers_are_decoded_longer():
    """Half of the requests with 2,000 tokens and half with 2 read as much cache as requests of nearly 2,000 tokens."""
    mixed, long = served(output_tokens=cm.samples([2, 2000])), served(output_tokens=2000)
    assert mixed.work.cache_bytes == pytest.approx(long.work.cache_bytes, rel=0.01)
    assert mixed.output_tokens == 1001

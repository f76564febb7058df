"""Step time and memory of mixtures of experts: exchange, features of the software, modules, what is known."""

import math

import pytest

import costmodel as cm
from costmodel.architecture.loading import load_architecture
from costmodel.training.calibration.calibrate import calibrate
from costmodel.training.step.communication import expert_parallel
from costmodel.training.step.configuration import StepConfiguration
from costmodel.training.step.efficiency import default_efficiency, hardware_rates
from costmodel.training.step.features import PLAIN, Features
from costmodel.training.step.layout import MODULES, layouts
from costmodel.training.step.numerics import numerics
from costmodel.training.step.workload import workload

CLUSTER = cm.Cluster("H100-SXM", 64)
RECIPE = cm.Pretraining(tokens="1T", sequence_length=4096, batch_size=512, software="Megatron-LM")
LAYOUT = cm.Layout(data=64, expert=32, micro_batch=1, loss="fused")
MODEL = "qwen3-30b-a3b"


def seconds(software="Megatron-LM", layout=LAYOUT, model=MODEL, efficiency=None, recipe=RECIPE):
    return cm.step_time(model, CLUSTER, recipe.replace(software=software), layout, efficiency).seconds


def exchange(model, dispatcher, expert, cluster=CLUSTER):
    """Return exchange time [s] over bytes of one copy of all tokens, with link and network of 1 byte/s."""
    work = workload(load_architecture(model), 4096)
    constants = default_efficiency().constants(
        cluster.accelerator, "bf16", True, features=PLAIN._replace(dispatcher=dispatcher)
    )
    constants = constants._replace(exchange_link=1.0, exchange_network=1.0)
    hardware = hardware_rates(cluster, "bf16")._replace(link_bandwidth=1.0, network_bandwidth=1.0)
    layout = layouts(cm.Layout(data=cluster.count, expert=expert))
    step = StepConfiguration(work, numerics("bf16"), hardware, layout, constants)
    copy = 2 * 4096 * work.width * work.expert_layers / work.layers
    return expert_parallel(step) / (4 * copy)


def test_an_all_to_all_sends_a_copy_to_each_expert():
    assert exchange(MODEL, "alltoall", 8) == pytest.approx(8 * (1 - 1 / 8))
    assert exchange(MODEL, "alltoall", 16) == pytest.approx(8 * (1 - 1 / 16))  # half of it between two nodes


def test_a_merged_exchange_sends_a_copy_to_each_rank_and_node():
    ranks = 8 * (1 - (1 - 1 / 8) ** 8)
    assert exchange(MODEL, "deepep", 8) == pytest.approx(ranks * (1 - 1 / 8))
    assert exchange(MODEL, "deepep", 64) < exchange(MODEL, "alltoall", 64)


def test_tokens_go_to_at_most_four_of_eight_nodes():
    """DeepSeek-V3: 8 groups of experts, of which a token is sent to 4 (arXiv 2412.19437, section 2.1.2)."""
    work = workload(load_architecture("deepseek-v3"), 4096)
    assert (work.top_k, work.expert_groups, work.top_groups) == (8, 8, 4)
    to_ranks = 64 * (1 - (1 - 1 / 64) ** 8) * (1 - 1 / 8)
    assert exchange("deepseek-v3", "deepep", 64) == pytest.approx(max(to_ranks, 4 * (1 - 1 / 8)))


@pytest.mark.parametrize(
    ("slow", "fast"),
    [
        ("dispatcher alltoall", "dispatcher deepep"),
        ("a2a_overlap none", "a2a_overlap 1f1b"),
        ("a2a_overlap 1f1b", "a2a_overlap dualpipe"),
        ("cuda_graph none", "cuda_graph partial"),
        ("cuda_graph partial", "cuda_graph full"),
        ("fused_grouped_mlp no", "fused_grouped_mlp yes"),
    ],
)
def test_features_make_a_step_faster(slow, fast):
    assert seconds(f"Megatron-LM, {fast}") < seconds(f"Megatron-LM, {slow}")


def test_older_software_is_slower_for_mixtures_of_experts_only():
    assert seconds("Megatron-LM 2024") > seconds("Megatron-LM 2026")
    dense = cm.Layout(data=64, loss="fused", attention="latest", zero=3)
    assert seconds("Megatron-LM 2024", dense, "llama-3.1-8b") == seconds("Megatron-LM 2026", dense, "llama-3.1-8b")


def test_software_without_measured_mixtures_of_experts_has_plain_features_and_is_slower():
    plain = "dispatcher alltoall, a2a_overlap none, cuda_graph none, fused_grouped_mlp no, token_drop no"
    factor = default_efficiency().values["untuned"]
    assert seconds("torchtitan") == pytest.approx(seconds(f"Megatron-LM, {plain}") * factor)


def test_what_is_known_of_a_model():
    shipped = default_efficiency()
    case = {name: shipped.moe_case(load_architecture(name), True) for name in
            ("deepseek-v3", "mixtral-8x7b", "qwen3-next-80b-a3b", "deepseek-v3.2")}  # fmt: skip
    assert list(case.values()) == ["known", "new", "untuned", "untuned"]
    assert shipped.moe_case(load_architecture("deepseek-v3"), False) == "untuned"
    spreads = [shipped.spread(CLUSTER.accelerator, True, moe_case=name) for name in ("known", "new", "untuned")]
    assert spreads == sorted(spreads)
    known = shipped.spread(CLUSTER.accelerator, True, moe_case="new")
    assert shipped.spread(CLUSTER.accelerator, True, moe_case="new", features_known=False) > known


@pytest.mark.parametrize("module", MODULES)
def test_recomputing_a_module_saves_memory_and_never_time(module):
    model = "deepseek-v3" if module == "mla_up_proj" else MODEL
    model = "llama-3.1-8b" if module == "mlp" else model
    layout = LAYOUT.replace(expert=1) if model == "llama-3.1-8b" else LAYOUT
    less = cm.step_time(model, CLUSTER, RECIPE, layout.replace(recompute_modules=module))
    more = cm.step_time(model, CLUSTER, RECIPE, layout)
    assert less.si.memory.activations < more.si.memory.activations
    assert less.seconds >= more.seconds
    if module in {"mlp", "moe", "core_attn"}:
        assert less.seconds > more.seconds


def test_modules_are_read_in_any_order_and_refused_by_name():
    assert cm.Layout(recompute_modules="moe_act+layernorm").recompute_modules == "layernorm+moe_act"
    assert cm.Layout.parse("data 8, recompute_modules layernorm+moe_act").recompute_modules == "layernorm+moe_act"
    with pytest.raises(cm.InputError, match=r"unknown module of a layer 'moe_activation'.*moe_act"):
        cm.Layout(recompute_modules="moe_activation")


ROW = {"model": MODEL, "sequence_length": 4096, "batch_size": 512, "accelerator": "H100-SXM", "count": 64, "tensor": 1,
       "pipeline": 1, "expert": 32, "zero": 1, "micro_batch": 1, "recompute": "none", "precision": "bf16"}  # fmt: skip


def test_a_calibration_on_a_mixture_of_experts_is_met():
    mine = calibrate([{**ROW, "step_time": 9.0}] * 3)
    assert mine.calibrated_moe
    assert seconds(None, efficiency=mine) == pytest.approx(9.0, rel=0.02)


def test_a_calibration_on_dense_models_leaves_mixtures_of_experts_uncertain():
    dense = {**ROW, "model": "llama-3.1-8b", "expert": 1, "step_time": 9.0}
    mine = calibrate([dense] * 3)
    before, after = (cm.step_time(MODEL, CLUSTER, RECIPE.replace(software=None), LAYOUT, each).spread
                     for each in (None, mine))  # fmt: skip
    assert not mine.calibrated_moe and after >= before


def test_deepseek_v3_is_estimated_in_the_precision_of_its_training():
    """The published run: 2.788 million GPU-hours on 2,048 H800 (arXiv 2412.19437, table 1)."""
    run = cm.Scenario("deepseek-v3", cm.Pretraining("14.8T", sequence_length=4096), cm.Cluster("H800-SXM", 2048))
    result = cm.estimate(run)
    low, high = result.bounds("gpu_hours")
    assert low < 2.788e6 * 3600 < high
    assert "precision fp8, in which deepseek-v3 was trained (set recipe.precision for another)" in result.notes()
    assert run.recipes[0].precision == "fp8" and run.recipe.precision == "bf16"
    assert run.replace({"recipe.precision": "bf16"}).recipes[0].precision == "bf16"
    older = run.replace({"cluster.accelerator": "A100-80GB-SXM"})
    assert older.recipes[0].precision == "bf16"


def test_the_published_layout_of_deepseek_v3_fits_and_is_met_or_beaten():
    """16 stages, 64 expert-parallel ranks and ZeRO-1 (arXiv 2412.19437, section 3.2).

    19.9 s per step of 15,360 sequences follow from 2.664 million GPU-hours for 14.8 trillion tokens.
    """
    software = "fused 2024, dispatcher deepep, a2a_overlap dualpipe"
    recipe = cm.Pretraining("14.8T", sequence_length=4096, batch_size=15360, precision="fp8", software=software)
    cluster = cm.Cluster("H800-SXM", 2048)
    layout = cm.Layout(
        data=128, pipeline=16, expert=64, loss="fused", recompute_modules="layernorm+mla_up_proj+moe_act"
    )
    published = cm.step_time("deepseek-v3", cluster, recipe, layout)
    assert published.fits and abs(math.log(published.seconds / 19.9)) < 0.2
    planned = cm.estimate(cm.Scenario("deepseek-v3", recipe, cluster)).layout
    assert cm.step_time("deepseek-v3", cluster, recipe, planned).seconds <= published.seconds


def test_features_that_are_not_known_are_those_of_the_date():
    old, new = (Features().or_usual(year, "blackwell", True) for year in (2024.5, 2026.6))
    assert old == PLAIN
    assert new == Features("hybridep", "none", "full", True, False)
    assert Features(dispatcher="alltoall").or_usual(2026.6, "hopper", True).dispatcher == "alltoall"

"""Notes and messages of serving: formats, loads above capacity, whole instances, and what does not fit."""

from pathlib import Path

import pytest

import costmodel as cm
from costmodel.foundation.errors import InputError
from costmodel.foundation.tables import table
from costmodel.serving.calibration.columns import SCORED
from costmodel.serving.calibration.constants import DATA_PARALLEL_ENGINES


def _serving(**changes: object) -> cm.Serving:
    values = {
        "architecture": "llama-3.1-8b",
        "cluster": {"accelerator": "H100-SXM", "count": 1},
        "input_tokens": 1000,
        "output_tokens": 500,
        "concurrency": 8,
    }
    return cm.Serving.from_data({name: value for name, value in (values | changes).items() if value is not None})


_LOAD = {"input_tokens": 1000, "output_tokens": 500, "concurrency": 8}


def _text(**changes: object) -> str:
    return " ".join(str(cm.estimate(_serving(**changes))).split())


def test_the_formats_of_weights_and_cache_are_named() -> None:
    assert "weights: bf16, by default: the catalog names no quantized release; KV cache: bf16" in _text()
    assert "weights: fp8; KV cache: fp8" in _text(precision="fp8", cache_precision="fp8")


def test_products_in_16_bits_are_said_where_the_accelerator_has_no_peak_of_the_weights() -> None:
    assert "weights: nvfp4, with products in 16 bits: H100-SXM has no fp4 peak; KV" in _text(precision="nvfp4")
    blackwell = {"cluster": {"accelerator": "B200", "count": 1}, "precision": "nvfp4"}
    assert "in 16 bits" not in _text(**blackwell) + _text(precision="int4") + _text(precision="fp8")


def test_data_parallel_attention_that_was_not_measured_is_said() -> None:
    deepseek = {"architecture": "deepseek-v3", "cluster": {"accelerator": "B200", "count": 8}}
    assert "data-parallel attention was measured with trtllm alone; vllm of 2025 was 3.4" in _text(**deepseek)
    for other in ({"engine": "trtllm"}, {"data_parallel_attention": False}):
        assert "was measured with trtllm alone" not in _text(**deepseek, **other)
    assert "was measured with trtllm alone" not in _text()


def test_the_engines_with_data_parallel_attention_are_those_of_the_rows() -> None:
    rows = [row for row in table("measurements/serving").rows if row["data_parallel_attention"] == "yes"]
    assert {row["engine"] for row in rows if row["use"] in SCORED} == DATA_PARALLEL_ENGINES
    assert {row["engine"] for row in rows} == DATA_PARALLEL_ENGINES | {"vllm"}


def test_one_request_is_singular() -> None:
    assert "1 request at a time" in _text(concurrency=1)


def test_costs_above_the_capacity_are_said_to_be_those_at_capacity() -> None:
    above = _text(concurrency=None, requests_per_second=500)
    assert "the load exceeds the capacity of the cluster" in above
    assert "costs are at this load" not in above
    below = _text(concurrency=None, requests_per_second=1)
    assert "the load exceeds" not in below
    assert "costs are at this load" in below


def test_a_whole_instance_for_one_accelerator_is_named() -> None:
    rental = {"provider": "lambda", "on": "2026-11-09"}
    assert "8 billed for 1" in _text(prices=rental)
    assert "billed for 1" not in _text(prices=rental, cluster={"accelerator": "H100-SXM", "count": 8})


def test_lengths_that_are_ranges_have_no_decimals() -> None:
    assert "893 (median) input and 500 output tokens" in _text(input_tokens="200 to 4000")


def test_a_model_that_does_not_fit_names_the_bits_and_the_copies() -> None:
    with pytest.raises(InputError, match=r"take 1582 GB at 16 bits per weight, those of attention on each accelerator"):
        _text(architecture="deepseek-v3", precision="bf16", cluster={"accelerator": "H200-SXM", "count": 8})
    with pytest.raises(InputError, match=r"take 141 GB at 16 bits per weight, and each"):
        _text(architecture="llama-3.1-70b")


def test_a_size_without_options_says_so() -> None:
    none = cm.size_serving(
        "llama-3.1-405b",
        users=10,
        tokens_per_second_per_user=5000,
        input_tokens=1000,
        output_tokens=500,
        accelerators=["H100-SXM"],
        precisions=["fp8"],
    )
    assert "can serve the load within its targets" in str(none)
    assert "tok/s: of each user" not in str(none)


def test_an_unknown_kind_of_option_names_the_field_and_the_kinds(tmp_path: Path) -> None:
    path = tmp_path / "workload.toml"
    path.write_text(
        "[workload]\nrequests_per_month = 1e6\ninput_tokens = 10\noutput_tokens = 10\npeak_to_mean = 2\n"
        '[[options]]\nkind = "self-hosted"\n[[options]]\nkind = "hosted"\nmodel = "gpt-5"\n',
        encoding="utf-8",
    )
    from costmodel.comparison.serving.compare import read_comparison

    with pytest.raises(
        InputError, match=r"options\.\d\.kind: must be one of 'hosted', 'self_hosted'; got 'self-hosted'"
    ):
        read_comparison(path, {})


def test_a_tensor_degree_that_does_not_divide_the_heads_is_refused() -> None:
    cluster = {"accelerator": "H100-SXM", "count": 8}
    with pytest.raises(InputError, match=r"tensor: must divide the 32 attention heads of llama-3.1-8b.*got 3"):
        _serving(cluster=cluster, tensor=3)
    assert _serving(cluster=cluster, tensor=3, engine="unknown").tensor == 3
    assert _serving(cluster=cluster, tensor=4).tensor == 4


def test_a_pipeline_larger_than_the_cluster_names_its_field() -> None:
    with pytest.raises(InputError, match="pipeline: a replica has 100 accelerators, but the cluster 1"):
        _serving(pipeline=100)


def test_one_idle_accelerator_is_named() -> None:
    cluster = {"accelerator": "H100-SXM", "count": 3}
    assert "1 replica of tensor 2; 1 idle GPU is billed" in _text(cluster=cluster, tensor=2)


def test_a_date_outside_the_measurements_is_named() -> None:
    late = _text(engine_date="2027-05")
    assert "engine_date: 2027-05 is after the newest measurements; taken as 2026-01" in late
    early = _text(engine_date="2023-05")
    assert "engine_date: 2023-05 is before the first measurements; taken as 2024-06" in early
    assert "engine_date" not in _text(engine_date="2025-11") + _text()


def test_amd_before_the_first_rows_has_the_spread_of_hardware_without_rows() -> None:
    """Constants of 2025 and later hold 40 % of the rows of AMD of 2024 in 80 % intervals, and 91 % of NVIDIA's."""
    first, before = (_tpot_ratio("MI300X", date) for date in ("2024-06", "2023-05"))
    assert before > 1.5 * first
    assert _tpot_ratio("H100-SXM", "2023-05") == pytest.approx(_tpot_ratio("H100-SXM", "2024-06"), rel=1e-6)


def _tpot_ratio(card: str, date: str) -> float:
    low, high = cm.estimate(_serving(cluster={"accelerator": card, "count": 1}, engine_date=date)).bounds("tpot")
    return high / low


def test_a_note_says_what_a_month_costs() -> None:
    load = {"concurrency": 8, "input_tokens": 1000, "output_tokens": 500}
    serving = cm.Serving("llama-3.1-8b", cm.Cluster("H100-SXM", 2), prices=cm.Rental(price=2.0), **load)
    assert "a month of 730 hours costs 2.92 k$, whatever is served" in cm.estimate(serving).notes()  # 2 x 2 x 730.5


def test_the_note_on_the_engine_names_what_was_measured() -> None:
    def engine(card: str, **changes: object) -> str:
        return _text(cluster={"accelerator": card, "count": 1}, **changes)

    assert "with default settings, measured on H100-SXM costs" in engine("H100-SXM")
    consumer = engine("RTX-5090")
    assert "measured on B200, H100-SXM (B200, GB200, RTX-PRO-6000 with any engine)" in consumer
    assert "no RTX-5090 was measured, only other cards of its generation" in consumer
    assert "no accelerator of the generation of RTX-4090 was measured" in engine("RTX-4090")
    assert "engine: not known, so that intervals are wide" in engine("H100-SXM", engine="unknown")
    assert "engine: sglang of 2025 or later with tuned settings" in engine(
        "A100-80GB-SXM", engine="sglang", recipe="tuned"
    )


def test_the_default_layout_divides_the_attention_heads() -> None:
    """Falcon-7B has 71 heads: no power of two divides them, so that memory for more comes from pipeline stages."""
    card = cm.Accelerator("Small", bf16=100, memory=12, memory_bandwidth=900, link_bandwidth=32)
    falcon = {"architecture": "falcon-7b", "cluster": {"accelerator": card.to_data(), "count": 8}}
    assert "layout: 4 replicas of pipeline 2" in _text(**falcon)
    assert "layout: 8 replicas of tensor 1" in _text(architecture="falcon-7b", cluster=cm.Cluster("H100-SXM", 8))
    sizes = cm.size_serving("falcon-7b", accelerators=[card], precisions=["bf16"], **_LOAD)
    assert {size.layout.tensor for size in sizes.options} == {1} and sizes.best.layout.pipeline > 1


def test_a_tensor_degree_that_does_not_divide_the_heads_names_the_nearest() -> None:
    node = {"accelerator": "H100-SXM", "count": 8}
    with pytest.raises(InputError, match=r"must divide the 28 attention heads .*; got 8; nearest that does: 4 or 7"):
        _serving(architecture="qwen2.5-7b", cluster=node, tensor=8)
    with pytest.raises(InputError, match=r"71 attention heads of falcon-7b.*; got 2; nearest that does: 1"):
        _serving(architecture="falcon-7b", cluster=node, tensor=2)


def test_reasons_stand_under_the_table() -> None:
    card = cm.Accelerator("New", bf16=900, memory=96, memory_bandwidth=4000, link_bandwidth=400)
    lines = str(cm.estimate(_serving(cluster=cm.Cluster(card, 1)))).splitlines()
    (cost,) = [line for line in lines if line.startswith("cost per hour")]
    assert cost.split() == ["cost", "per", "hour", "not", "known", "see", "(2)"]
    assert any(line.startswith("(2) no rental price of New") for line in lines)

"""What is known of the constants of the time model before any step was measured?"""

from collections.abc import Mapping
from typing import NamedTuple


class Constant(NamedTuple):
    """A constant and what is known of it before the fit: value, and spread of its logarithm (0: fixed)."""

    value: float
    spread: float
    unit: str
    source: str


_UNKNOWN = "no difference known before the fit"
PRIORS: dict[str, Constant] = {
    "matmul": Constant(0.85, 0.15, "1", "A100 reaches 0.87 in large products (stas00/ml-engineering, MAMF)"),
    "matmul:volta": Constant(1.0, 0.15, "1", _UNKNOWN),
    "matmul:hopper": Constant(1.0, 0.15, "1", _UNKNOWN),
    "matmul:blackwell": Constant(1.0, 0.15, "1", _UNKNOWN),
    "matmul:GB300": Constant(1.0, 0.15, "1", _UNKNOWN),
    "matmul:H100-96GB-500W": Constant(1.0, 0.15, "1", _UNKNOWN),
    "matmul:fp8": Constant(1.0, 0.15, "1", _UNKNOWN),
    "matmul:mxfp8": Constant(1.0, 0.15, "1", _UNKNOWN),
    "matmul:fp8-rowwise": Constant(1.0, 0.3, "1", _UNKNOWN),
    "matmul:nvfp4": Constant(1.0, 0.3, "1", _UNKNOWN),
    "matmul_traffic": Constant(2.0, 0.4, "1", "tiles are read more than once"),
    "attention": Constant(0.4, 0.4, "1", "half to two thirds of FlashAttention-2 on A100 (arXiv 2307.08691)"),
    "attention:hopper": Constant(1.5, 0.4, "1", "FlashAttention-3 over kernels of 2022 on A100 (arXiv 2407.08608)"),
    "attention:blackwell": Constant(1.0, 0.4, "1", _UNKNOWN),
    "attention_flash_2": Constant(0.4, 0.0, "1", "as `attention`: the factor of the generation tells it apart"),
    "attention_flash_2:hopper": Constant(0.6, 0.4, "1", "FlashAttention-2 reaches 0.35 on H100 (arXiv 2407.08608)"),
    "attention_length": Constant(700.0, 0.0, "token", "FlashAttention-2 on A100, 512 to 16k tokens (arXiv 2307.08691)"),
    "attention_flash_1": Constant(0.4, 0.0, "1", "as `attention`, which names the rate of these kernels"),
    "attention_flash_1:hopper": Constant(0.6, 0.0, "1", "as `attention_flash_2:hopper`: not told apart by the rows"),
    "attention_unfused": Constant(0.8, 0.0, "1", "products over heads of 64 to 128; the rows tell only the whole"),
    "softmax_traffic": Constant(5.0, 0.4, "1", "scale, mask, softmax and dropout each read and write the scores"),
    "elementwise": Constant(1.0, 0.0, "1", "each element listed is moved once"),
    "scan": Constant(0.03, 1.0, "1", "scans run on no matrix unit"),
    "quantise": Constant(1.0, 0.5, "1", "operands are read, scaled and written"),
    "launch": Constant(1.5e-3, 0.5, "s", "some 200 kernels of a layer, forward and backward, of 5 to 10 us each"),
    "launch_experts": Constant(3e-3, 0.7, "s", "routing and exchange are launched by the host"),
    "link": Constant(0.82, 0.15, "1", "NCCL reaches 0.8 of the link"),
    "network": Constant(0.9, 0.15, "1", "NCCL reaches 0.9 of the network"),
    "exposed_tensor": Constant(0.5, 0.5, "1", "half is hidden"),
    "exposed_data": Constant(0.2, 0.5, "1", "collectives take some of the multiprocessors and of the memory bandwidth"),
    "age_experts": Constant(1.1, 0.15, "1/year", "software gets faster"),
    "experts": Constant(1.0, 0.0, "1", "not told apart from `launch_experts` by the rows"),
    "exposed_experts": Constant(0.3, 0.0, "1", "not told apart from `launch_experts` by the rows"),
    "exposed_context": Constant(0.5, 0.0, "1", "not identified by the rows"),
    "exposed_pipeline": Constant(0.3, 0.0, "1", "not identified by the rows"),
    "overlap": Constant(4.0, 0.0, "1", "not identified by the rows"),
    "latency": Constant(5e-6, 0.0, "s", "NCCL tuning constants, a step of a ring (NVIDIA/nccl src/graph/tuning.cc)"),
    "optimizer_traffic": Constant(1.0, 0.0, "1", "not identified by the rows"),
    "fixed": Constant(5e-3, 0.0, "s", "not identified by the rows"),
    "software": Constant(1.0, 0.0, "1", "factor of a stack; fitted by `calibrate`"),
}  # fmt: skip
"""Every constant of the time model before the fit. The spread keeps what the rows do not tell near it."""

TIED = {
    "attention_flash_1": "attention", "attention_flash_2": "attention",
    "attention_flash_1:hopper": "attention_flash_2:hopper", "attention:ada": "attention:ampere",
    "attention_flash_2:ampere": "attention:ampere", "attention_flash_2:ada": "attention:ampere",
}  # fmt: skip
"""Constants that are another one, because the rows do not tell them apart."""


def tied(values: Mapping[str, float]) -> dict[str, float]:
    """Return the constants that follow from others."""
    return {name: values[other] for name, other in TIED.items() if other in values}


FINE_TUNING: dict[str, Constant] = {
    "attention:ampere": Constant(1.5, 0.3, "1", "FlashAttention-2 over its predecessor on A100 (arXiv 2307.08691)"),
    "attention:ada": Constant(1.5, 0.0, "1", "as on ampere"),
    "attention_flash_2:ampere": Constant(1.5, 0.0, "1", "the latest on ampere"),
    "attention_flash_2:ada": Constant(1.5, 0.0, "1", "the latest on ada"),
    "matmul:ada": Constant(1.1, 0.15, "1", "boards clock above the frequency of their peak"),
    "launch_eager": Constant(2.0, 0.5, "1", "a general trainer launches twice as many kernels as a fused stack"),
    "launch_sharded": Constant(5e-3, 0.7, "s", "hooks of DeepSpeed ZeRO-3 around each of some ten modules of a layer"),
    "launch_quantised": Constant(2e-3, 0.7, "s", "some ten operations on each of a layer's seven matrices"),
    "adapter_traffic": Constant(3.0, 0.7, "1", "casts, dropout, two products and an addition each move the elements"),
    "adapter_fused": Constant(0.1, 0.0, "1", "what a compiler leaves; not told apart by the rows"),
    "adapter_matmul": Constant(0.3, 0.0, "1", "products as narrow as the rank; hardly matters"),
    "dequantise": Constant(8.0, 0.7, "1", "indices, scales, and a cast each move the elements"),
    "dequantise_fused": Constant(0.35, 0.0, "1", "one kernel in the place of several; not told apart by the rows"),
    "loss_eager": Constant(8.0, 0.0, "1", "shift, cast, softmax and their gradients each move the logits in 32 bits"),
    "host_memory": Constant(170e9, 0.0, "byte/s", "DDR4 of a two-socket node as the step of the optimizer reaches it"),
}  # fmt: skip
"""What fine-tunes add to the constants of the time model, before their fit."""

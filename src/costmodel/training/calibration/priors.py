"""Priors of the constants of the step-time model: value and spread before any step was measured."""

from collections.abc import Mapping

from costmodel.foundation.fitted import Prior

_UNKNOWN = "no difference known before the fit"
PRIORS: dict[str, Prior] = {
    "matmul": Prior(0.85, 0.15, "1", "A100 reaches 0.87 in large products (stas00/ml-engineering, MAMF)"),
    "matmul:volta": Prior(1.0, 0.15, "1", _UNKNOWN),
    "matmul:hopper": Prior(1.0, 0.15, "1", _UNKNOWN),
    "matmul:blackwell": Prior(1.0, 0.15, "1", _UNKNOWN),
    "matmul:GB300": Prior(1.0, 0.15, "1", _UNKNOWN),
    "matmul:H100-96GB-500W": Prior(1.0, 0.15, "1", _UNKNOWN),
    "matmul:fp8": Prior(1.0, 0.15, "1", _UNKNOWN),
    "matmul:mxfp8": Prior(1.0, 0.15, "1", _UNKNOWN),
    "matmul:fp8-rowwise": Prior(1.0, 0.3, "1", _UNKNOWN),
    "matmul:nvfp4": Prior(1.0, 0.3, "1", _UNKNOWN),
    "matmul_traffic": Prior(2.0, 0.4, "1", "tiles are read more than once"),
    "attention": Prior(0.4, 0.4, "1", "half to two thirds of FlashAttention-2 on A100 (arXiv 2307.08691)"),
    "attention:hopper": Prior(1.5, 0.4, "1", "FlashAttention-3 over kernels of 2022 on A100 (arXiv 2407.08608)"),
    "attention:blackwell": Prior(1.0, 0.4, "1", _UNKNOWN),
    "attention_flash_2": Prior(0.4, 0.0, "1", "as `attention`: the factor of the generation tells it apart"),
    "attention_flash_2:hopper": Prior(0.6, 0.4, "1", "FlashAttention-2 reaches 0.35 on H100 (arXiv 2407.08608)"),
    "attention_length": Prior(700.0, 0.0, "token", "FlashAttention-2 on A100, 512 to 16k tokens (arXiv 2307.08691)"),
    "attention_flash_1": Prior(0.4, 0.0, "1", "as `attention`, which names the rate of these kernels"),
    "attention_flash_1:hopper": Prior(0.6, 0.0, "1", "as `attention_flash_2:hopper`: not told apart by the rows"),
    "attention_unfused": Prior(0.8, 0.0, "1", "products over heads of 64 to 128; the rows tell only the whole"),
    "softmax_traffic": Prior(5.0, 0.4, "1", "scale, mask, softmax and dropout each read and write the scores"),
    "elementwise": Prior(1.0, 0.0, "1", "each element listed is moved once"),
    "scan": Prior(0.03, 1.0, "1", "scans run on no matrix unit"),
    "quantize": Prior(1.0, 0.5, "1", "operands are read, scaled and written"),
    "launch": Prior(1.5e-3, 0.5, "s", "some 200 kernels of a layer, forward and backward, of 5 to 10 us each"),
    "launch_experts": Prior(3e-3, 0.7, "s", "routing and exchange are launched by the host"),
    "link": Prior(0.82, 0.15, "1", "NCCL reaches 0.8 of the link"),
    "network": Prior(0.9, 0.15, "1", "NCCL reaches 0.9 of the network"),
    "exposed_tensor": Prior(0.5, 0.5, "1", "half is hidden"),
    "exposed_data": Prior(0.2, 0.5, "1", "collectives take some of the multiprocessors and of the memory bandwidth"),
    "age_experts": Prior(1.1, 0.15, "1/year", "software gets faster"),
    "experts": Prior(1.0, 0.0, "1", "not told apart from `launch_experts` by the rows"),
    "exposed_experts": Prior(0.3, 0.0, "1", "not told apart from `launch_experts` by the rows"),
    "exposed_context": Prior(0.5, 0.0, "1", "not identified by the rows"),
    "exposed_pipeline": Prior(0.3, 0.0, "1", "not identified by the rows"),
    "overlap": Prior(4.0, 0.0, "1", "not identified by the rows"),
    "latency": Prior(5e-6, 0.0, "s", "NCCL tuning constants, a step of a ring (NVIDIA/nccl src/graph/tuning.cc)"),
    "optimizer_traffic": Prior(1.0, 0.0, "1", "not identified by the rows"),
    "fixed": Prior(5e-3, 0.0, "s", "not identified by the rows"),
    "software": Prior(1.0, 0.0, "1", "factor of a stack; fitted by `calibrate`"),
}  # fmt: skip
"""Priors of all constants of the step-time model; a spread of 0 fixes a constant at its value."""

TIED = {
    "attention_flash_1": "attention", "attention_flash_2": "attention",
    "attention_flash_1:hopper": "attention_flash_2:hopper", "attention:ada": "attention:ampere",
    "attention_flash_2:ampere": "attention:ampere", "attention_flash_2:ada": "attention:ampere",
}  # fmt: skip
"""Constants that equal another constant, because the rows do not identify them separately."""


def tied(values: Mapping[str, float]) -> dict[str, float]:
    """Return the constants that equal other constants."""
    return {name: values[other] for name, other in TIED.items() if other in values}


FINE_TUNING: dict[str, Prior] = {
    "attention:ampere": Prior(1.5, 0.3, "1", "FlashAttention-2 over its predecessor on A100 (arXiv 2307.08691)"),
    "attention:ada": Prior(1.5, 0.0, "1", "as on ampere"),
    "attention_flash_2:ampere": Prior(1.5, 0.0, "1", "the latest on ampere"),
    "attention_flash_2:ada": Prior(1.5, 0.0, "1", "the latest on ada"),
    "matmul:ada": Prior(1.1, 0.15, "1", "boards clock above the frequency of their peak"),
    "launch_eager": Prior(2.0, 0.5, "1", "a general trainer launches twice as many kernels as a fused stack"),
    "launch_sharded": Prior(5e-3, 0.7, "s", "hooks of DeepSpeed ZeRO-3 around each of some ten modules of a layer"),
    "launch_quantized": Prior(2e-3, 0.7, "s", "some ten operations on each of a layer's seven matrices"),
    "adapter_traffic": Prior(3.0, 0.7, "1", "casts, dropout, two products and an addition each move the elements"),
    "adapter_fused": Prior(0.1, 0.0, "1", "what a compiler leaves; not told apart by the rows"),
    "adapter_matmul": Prior(0.3, 0.0, "1", "products as narrow as the rank; hardly matters"),
    "dequantize": Prior(8.0, 0.7, "1", "indices, scales, and a cast each move the elements"),
    "dequantize_fused": Prior(0.35, 0.0, "1", "one kernel in the place of several; not told apart by the rows"),
    "loss_eager": Prior(8.0, 0.0, "1", "shift, cast, softmax and their gradients each move the logits in 32 bits"),
    "host_memory": Prior(170e9, 0.0, "byte/s", "DDR4 of a two-socket node as the step of the optimizer reaches it"),
}  # fmt: skip
"""Priors of the further constants of fine-tunes."""

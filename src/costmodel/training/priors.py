"""What is known of the constants of the time model before any step was measured?"""

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
    "attention": Constant(0.4, 0.4, "1", "FlashAttention-2 on A100, in usual shapes (arXiv 2307.08691)"),
    "attention:hopper": Constant(1.2, 0.4, "1", "FlashAttention-3 over FlashAttention-2 on A100 (arXiv 2407.08608)"),
    "attention:blackwell": Constant(1.0, 0.4, "1", _UNKNOWN),
    "attention_flash_2": Constant(0.35, 0.0, "1", "as `attention`: on ampere the two are one"),
    "attention_flash_2:hopper": Constant(0.6, 0.4, "1", "FlashAttention-2 reaches 0.35 on H100 (arXiv 2407.08608)"),
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

"""Arguments of Megatron-LM: a script, a text, or a YAML or JSON file with the same names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from costmodel.architecture.sources.megatron import SHAPE_KEYS, megatron_architecture
from costmodel.estimation.trainers.settings import Settings, read_optimizer
from costmodel.foundation.errors import InputError

if TYPE_CHECKING:
    from costmodel.estimation.trainers.beside import Beside
    from costmodel.estimation.trainers.keys import Keys

_PARTS = ("MODEL_ARGS", "model_args", "model", "arguments", "args", "training", "train")
"""Parts of a file whose keys count as those of the file."""
_INERT = (
    "ENV_VARS", "TEST_TYPE", "LAUNCHER", "MODE", "METRICS", "AFTER_SCRIPT", "BEFORE_SCRIPT", "pretrained_checkpoint",
    "use_persistent_ckpt_worker", "dist_ckpt_optim_fully_reshardable", "no_bias_gelu_fusion", "rerun_mode", "test_mode",
    "apply_query_key_layer_scaling", "ckpt_assume_constant_structure", "use_tp_pp_dp_mapping", "async_strategy",
    "muon_momentum", "muon_extra_scale_factor", "muon_scale_mode", "fim_data", "fim_rate", "fim_spm_rate",
    "no_persist_layer_norm", "DDP_impl", "eod_mask_loss", "verify_integrity", "use_te", "cp_comm_type",
    "rampup_batch_size", "use_mcore_models", "transformer_impl", "manual_gc", "manual_gc_interval",
    "no_gradient_accumulation_fusion", "attention_softmax_in_fp32", "empty_unused_memory_level",
    "overlap_param_gather", "grad_reduce_in_bf16", "accumulate_allreduce_grads_in_fp32",
    "calculate_per_token_loss", "no_create_attention_mask_in_dataloader", "no_mmap_bin_files", "mock_data",
    "tiktoken_pattern", "ckpt_format", "apply_layernorm_1p", "no_bias_swiglu_fusion", "bias_swiglu_fusion",
    "no_rope_fusion", "use_rope_scaling", "rope_scaling_factor", "async_save", "fp8_amax_history_len",
    "fp8_amax_compute_algo", "fp8_param_gather", "fp8_margin", "data_parallel_random_init", "align_grad_reduce",
    "ddp_bucket_size", "ddp_num_buckets", "no_check_for_nan_in_loss_and_grad", "sgd_momentum", "finetune",
    "auto_detect_ckpt_format", "dist_ckpt_strictness", "cross_entropy_fusion_impl", "num_workers", "split",
    "enable_experimental", "deterministic_mode", "ckpt_fully_parallel_load", "profile",
    "moe_router_load_balancing_type", "moe_aux_loss_coeff", "moe_grouped_gemm", "moe_z_loss_coeff",
    "moe_permute_fusion", "moe_router_score_function", "moe_router_topk_scaling_factor",
    "moe_router_enable_expert_bias", "moe_router_bias_update_rate", "moe_router_dtype",
    "moe_router_pre_softmax", "moe_router_fusion", "moe_per_layer_logging", "moe_token_drop_policy",
    "moe_shared_expert_overlap", "disable_gloo_process_groups", "moe_pad_expert_input_to_capacity", "mscale",
    "mscale_all_dim", "beta_fast", "beta_slow",
)  # fmt: skip
"""Arguments that change no figure, beside those that `Keys` knows."""
GPT2_VOCABULARY = 50_257
"""Vocabulary size of the tokenizer of GPT-2, whose byte pairs `--merge-file` names [1]."""
_DISPATCHERS = {"deepep": "deepep", "hybridep": "hybridep"}


def flattened(data: Mapping[str, object]) -> dict[str, object]:
    """Return the arguments of a file, without dashes, those of its parts together.

    Parameters
    ----------
    data : Mapping
        Plain data of the file.
    """
    flat: dict[str, object] = {}
    for key, value in data.items():
        if key in _PARTS and isinstance(value, Mapping):
            flat |= {str(name).lstrip("-").replace("-", "_"): inner for name, inner in value.items()}
        else:
            flat[key.lstrip("-").replace("-", "_")] = value
    return flat


def read(keys: Keys, beside: Beside) -> Settings:
    """Return what arguments of Megatron-LM say.

    Parameters
    ----------
    keys : Keys
        Arguments by name.
    beside : Beside
        Files that belong to it; none here.
    """
    settings = Settings(software="Megatron-LM", kind="pretraining")
    if keys.flag("perform_rl_step"):
        keys.refuse("perform_rl_step: reinforcement learning of Megatron-LM is not read; write a scenario file")
    _model(keys, settings)
    settings.recipe["sequence_length"] = keys.whole("seq_length", "encoder_seq_length") or 2048
    settings.micro_batch = keys.whole("micro_batch_size") or 1
    settings.batch_size = keys.whole("global_batch_size")
    settings.steps = keys.whole("train_iters")
    settings.samples = keys.whole("train_samples")
    nodes, per_node = keys.whole("nnodes", "num_nodes"), keys.whole("nproc_per_node", "gpus_per_node", "devices")
    if per_node is not None:
        settings.count = per_node * (nodes or 1)
    _numbers(keys, settings)
    _parallelism(keys, settings)
    _kernels(keys, settings)
    _experts(keys, settings)
    keys.skip(*_INERT)
    return settings


def _model(keys: Keys, settings: Settings) -> None:
    """Read the architecture from the arguments of its shape."""
    arguments = {name: keys.value(name) for name in SHAPE_KEYS if name in keys.data}
    own = {}
    if not keys.has("vocab_size", "padded_vocab_size") and _is_gpt2_tokenizer(keys):
        own["vocab_size"] = GPT2_VOCABULARY
        settings.assume(f"a vocabulary of {GPT2_VOCABULARY:,}: the tokenizer is that of GPT-2")
    try:
        settings.model = megatron_architecture({**keys.data, **own})
    except InputError as error:
        settings.model = arguments
        settings.open["architecture"] = f"{'; '.join(error.problems)}; add the arguments, or give --model"


def _is_gpt2_tokenizer(keys: Keys) -> bool:
    return keys.text("tokenizer_type", default="GPT2BPETokenizer") == "GPT2BPETokenizer" and keys.has("merge_file")


def _numbers(keys: Keys, settings: Settings) -> None:
    """Read precision and optimizer."""
    precision = "bf16" if keys.flag("bf16") else "fp16" if keys.flag("fp16") else "fp32"
    if keys.has("fp8_format", "fp8"):
        recipe = keys.text("fp8_recipe")
        precision = "mxfp8" if recipe == "mxfp8" else "fp8"
        keys.value("fp8_format", "fp8")
    if keys.has("fp4_format", "fp4"):
        keys.value("fp4_format", "fp4")
        precision = "nvfp4"
    settings.recipe["precision"] = precision
    if keys.has("optimizer"):
        read_optimizer(keys, settings, "optimizer", default="adam")
    moments = {keys.text("exp_avg_dtype"), keys.text("exp_avg_sq_dtype")}
    if keys.flag("use_precision_aware_optimizer") and moments == {"bf16"}:
        settings.recipe["optimizer"] = "adamw-bf16"
    keys.skip("main_grads_dtype", "main_params_dtype")
    if keys.flag("optimizer_cpu_offload"):
        settings.layout["offload_optimizer"] = True


def _parallelism(keys: Keys, settings: Settings) -> None:
    """Read the degrees of parallelism and the sharding."""
    for field, names in (
        ("tensor", ("tensor_model_parallel_size",)),
        ("pipeline", ("pipeline_model_parallel_size",)),
        ("context", ("context_parallel_size",)),
        ("expert", ("expert_model_parallel_size",)),
        ("expert_tensor", ("expert_tensor_parallel_size",)),
    ):
        degree = keys.whole(*names)
        if degree is not None and degree > 1:
            settings.layout[field] = degree
    stages = settings.layout.get("pipeline", 1)
    assert isinstance(stages, int)
    chunks = keys.whole("num_virtual_stages_per_pipeline_rank", "virtual_pipeline_model_parallel_size")
    layers, each = keys.whole("num_layers"), keys.whole("num_layers_per_virtual_pipeline_stage")
    if chunks is None and layers and each:
        chunks = max(layers // stages // each, 1)
    if chunks and chunks > 1:
        settings.layout["interleave"] = chunks
    if "tensor" in settings.layout:
        settings.layout["sequence_parallel"] = keys.flag("sequence_parallel")
    else:
        keys.skip("sequence_parallel")
    full = keys.flag("use_torch_fsdp2") or keys.flag("use_megatron_fsdp", "use_custom_fsdp")
    strategy = keys.text("data_parallel_sharding_strategy")
    levels = {"no_shard": 0, "optim": 1, "optim_grads": 2, "optim_grads_params": 3}
    distributed = keys.flag("use_distributed_optimizer")
    zero = levels.get(strategy, 3) if full else int(distributed)
    settings.layout["zero"] = zero
    settings.layout["overlap_data"] = keys.flag("overlap_grad_reduce") or full
    settings.layout["overlap_tensor"] = keys.flag("tp_comm_overlap")


def _kernels(keys: Keys, settings: Settings) -> None:
    """Read recomputation, attention and the loss."""
    granularity = keys.text("recompute_granularity")
    if keys.flag("recompute_activations"):
        granularity = granularity or "selective"
    if granularity == "full":
        settings.layout["recompute"] = "full"
        method, layers = keys.text("recompute_method"), keys.whole("recompute_num_layers")
        if method == "block" or (layers or 1) > 1:
            settings.assume("all layers are recomputed (recompute_method and recompute_num_layers are not modeled)")
    elif granularity == "selective":
        modules = keys.text("recompute_modules").replace(",", " ").split() or ["core_attn"]
        settings.layout["recompute_modules"] = "+".join(modules)
    backend = keys.text("attention_backend", default="auto")
    settings.layout["attention"] = "unfused" if backend in {"unfused", "local"} else "latest"
    keys.skip("use_flash_attn", "recompute_method", "recompute_num_layers")
    settings.layout["loss"] = "fused" if keys.flag("cross_entropy_loss_fusion") else "whole"


def _experts(keys: Keys, settings: Settings) -> None:
    """Read what decides the speed of mixtures of experts, as features of the software."""
    if not keys.has("num_experts", "num_moe_experts"):
        return
    features = []
    dispatcher, backend = keys.text("moe_token_dispatcher_type"), keys.text("moe_flex_dispatcher_backend")
    if keys.flag("moe_enable_deepep"):
        backend = "deepep"
    if dispatcher == "flex":
        features.append(f"dispatcher {_DISPATCHERS.get(backend, 'deepep')}")
    elif dispatcher:
        features.append("dispatcher alltoall")
    if keys.flag("overlap_moe_expert_parallel_comm"):
        features.append("a2a_overlap 1f1b")
    if keys.has("moe_expert_capacity_factor"):
        keys.value("moe_expert_capacity_factor")
        features.append("token_drop yes")
    if keys.flag("enable_cuda_graph") or keys.has("cuda_graph_impl"):
        scope = keys.text("cuda_graph_scope")
        keys.value("cuda_graph_impl")
        features.append("cuda_graph full" if "full_iteration" in scope else "cuda_graph partial")
    settings.software = ", ".join([settings.software, *features])

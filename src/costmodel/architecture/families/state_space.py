"""Models with recurrent states of fixed size, alone or with attention: Mamba, RWKV and hybrids.

Defaults are those of the configuration classes in Hugging Face transformers 5.24.
"""

from typing import Any

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.block import Block
from costmodel.architecture.blocks.experts import Experts
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.mamba import Mamba
from costmodel.architecture.blocks.mamba2 import Mamba2
from costmodel.architecture.blocks.pieces import Norm
from costmodel.architecture.blocks.rwkv import ChannelMix, TimeMix
from costmodel.architecture.families.reading import Reader, grouped, read_depth
from costmodel.architecture.families.rotary import routed
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer

LINEAR, FULL = "linear_attention", "full_attention"


def read_size(config: Config) -> tuple[int, int]:
    """Return hidden size and number of layers."""
    config.skip("max_position_embeddings", "n_ctx")
    return config.integer("hidden_size", "d_model"), read_depth(config, "num_hidden_layers", "n_layer")


def assemble(config: Config, width: int, layers: tuple[Layer, ...], tied: bool = False, **options: Any) -> Architecture:
    """Return the architecture; `tied` is the default of the family."""
    return Architecture(
        width=width,
        layers=layers,
        vocabulary=config.integer("vocab_size"),
        tied=config.flag("tie_word_embeddings", default=tied),
        **options,
    )


def require_untied(config: Config) -> None:
    """Note a problem if the config ties embedding and LM head; the family has no such models."""
    tied = config.flag("tie_word_embeddings", default=False)
    config.require(not tied, "tie_word_embeddings: only false is known for this model_type")


def read_attention(
    config: Config, width: int, kv_heads: int | None, head_width: int | None = None, **options: Any
) -> Attention:
    """Return softmax attention; `kv_heads` and `head_width` are the defaults of the family."""
    heads = config.integer("num_attention_heads")
    kv_heads = config.optional("num_key_value_heads", default=kv_heads) or heads
    config.require(heads % kv_heads == 0, f"num_key_value_heads: {kv_heads} does not divide the {heads} heads")
    head_width = config.optional("head_dim", "attention_head_dim", default=head_width)
    if head_width is None:
        config.require(
            width % heads == 0, f"hidden_size: {width} is not a multiple of the {heads} heads; give head_dim"
        )
        head_width = max(width // heads, 1)
    return Attention(heads=heads, kv_heads=min(kv_heads, heads), head_width=head_width, **options)


def step_rank(config: Config, key: str, width: int) -> int:
    """Return the rank of the projection to the step sizes: a sixteenth of the hidden size, or the number at `key`."""
    return -(-width // 16) if config.value(key) in (None, "auto") else config.integer(key)


def _expanded(config: Config, width: int) -> int:
    """Return the channels of a scan, `expand` times the hidden size."""
    inner = config.integer("expand", default=2) * width
    for key in ("intermediate_size", "d_inner"):
        given = config.optional(key)
        config.require(given in {None, inner}, f"{key}: {given} is not expand × hidden_size ({inner})")
    return inner


def _original_keys(config: Config) -> None:
    """Read further keys of configs of the original implementation."""
    config.skip("fused_add_norm", "ssm_cfg", "pad_vocab_size_multiple", "norm_before_gate")
    config.skip("A_init_range", "dt_init_floor", "dt_limit", "dt_max", "dt_min", "fuse_cross_entropy", "fuse_norm")
    config.skip("use_l2warp", "rescale_prenorm_residual", "residual_in_fp32")
    for key, name in (("D_has_hdim", "false"), ("rmsnorm", "true")):
        known = config.flag(key, default=name == "true") == (name == "true")
        config.require(known, f"{key}: only {name} is known")
    config.require(config.flag("rms_norm", default=True), "rms_norm: only true is known")


def groups_of(config: Config, heads: int, *keys: str, default: int) -> int:
    """Return the groups of the heads of a Mamba-2 block."""
    groups = config.integer(*keys, default=default)
    config.require(heads % groups == 0, f"{keys[-1]}: {groups} groups do not divide the {heads} heads")
    return groups


def _mamba(config: Config) -> Architecture:
    width, depth = read_size(config)
    _original_keys(config)
    mixer = Mamba(
        inner_width=_expanded(config, width),
        state_width=config.integer("state_size", default=16),
        step_rank=step_rank(config, "time_step_rank", width),
        kernel=config.integer("conv_kernel", default=4),
        bias=config.flag("use_bias", default=False),
        convolution_bias=config.flag("use_conv_bias", default=True),
    )
    return assemble(config, width, grouped([mixer] * depth, [None] * depth, norms=1), tied=True)


def _mamba2(config: Config) -> Architecture:
    width, depth = read_size(config)
    _original_keys(config)
    config.skip("time_step_rank")
    bias = config.flag("use_bias", default=False)
    heads = config.integer("num_heads", default=128)
    mixer = Mamba2(
        heads=heads,
        head_width=config.integer("head_dim", default=64),
        state_width=config.integer("state_size", default=128),
        groups=groups_of(config, heads, "n_groups", default=8),
        kernel=config.integer("conv_kernel", default=4),
        chunk=config.integer("chunk_size", default=256),
        input_bias=bias,
        output_bias=bias,
        convolution_bias=config.flag("use_conv_bias", default=True),
    )
    inner = _expanded(config, width)
    config.require(
        mixer.inner_width == inner,
        f"num_heads: heads × head_dim ({mixer.inner_width}) is not expand × hidden ({inner})",
    )
    return assemble(config, width, grouped([mixer] * depth, [None] * depth, norms=1))


def _rwkv(config: Config) -> Architecture:
    config.skip("context_length", "rescale_every")
    width, depth = read_size(config)
    mixer = TimeMix(inner_width=config.optional("attention_hidden_size") or width, input_width=width)
    block = ChannelMix(inner_width=config.optional("intermediate_size") or 4 * width, input_width=width)
    layers = grouped([mixer] * depth, [block] * depth, norm_bias=True)
    return assemble(config, width, layers, norm_bias=True, extras=(Norm(extent=width, bias=True),))


def _periodic(config: Config, name: str, depth: int, period: int, offset: int) -> list[bool]:
    """Return which layers `name_layer_period` and `name_layer_offset` select."""
    period = config.integer(f"{name}_layer_period", default=period)
    offset = config.integer(f"{name}_layer_offset", default=offset, least=0)
    config.require(offset < period, f"{name}_layer_offset: {offset} is not below the period of {period}")
    return [index % period == offset for index in range(depth)]


def _jamba(config: Config) -> Architecture:
    width, depth = read_size(config)
    full = read_attention(config, width, kv_heads=8)
    mamba = Mamba(
        inner_width=config.integer("mamba_expand", default=2) * width,
        state_width=config.integer("mamba_d_state", default=16),
        step_rank=step_rank(config, "mamba_dt_rank", width),
        kernel=config.integer("mamba_d_conv", default=4),
        bias=config.flag("mamba_proj_bias", default=False),
        convolution_bias=config.flag("mamba_conv_bias", default=True),
        inner_norms=config.flag("mamba_inner_layernorms", default=True),
    )
    inner = config.integer("intermediate_size")
    dense = FeedForward(inner_width=inner, gated=True)
    experts, top_k = config.integer("num_experts", "num_local_experts", default=16), read_top_k(config, 2)
    sparse = routed(config, experts, top_k, inner) if experts > 1 else dense
    mixers = [full if chosen else mamba for chosen in _periodic(config, "attn", depth, 8, 4)]
    blocks = [sparse if chosen else dense for chosen in _periodic(config, "expert", depth, 2, 1)]
    return assemble(config, width, grouped(mixers, blocks))


def read_top_k(config: Config, default: int) -> int:
    """Return the number of routed experts per token."""
    return config.integer("num_experts_per_tok", "num_experts_per_token", default=default)


def _falcon_h1(config: Config) -> Architecture:
    multipliers = (
        "mlp_multipliers",
        "embedding_multiplier",
        "attention_in_multiplier",
        "attention_out_multiplier",
        "lm_head_multiplier",
    )
    config.skip(*multipliers, "mamba_norm_before_gate", "mlp_expansion_factor")
    config.require(config.flag("mamba_use_mlp", default=True), "mamba_use_mlp: only true is known")
    width, depth = read_size(config)
    bias = config.flag("attention_bias", default=False)
    full = read_attention(config, width, kv_heads=8, qkv_bias=bias, output_bias=bias)
    expand = config.integer("mamba_expand", default=2)
    inner = config.optional("mamba_d_ssm", default=1024) or expand * width
    heads = config.integer("mamba_n_heads", default=128)
    config.require(inner % heads == 0, f"mamba_n_heads: {heads} does not divide mamba_d_ssm ({inner})")
    automatic = config.value("mamba_d_head") in (None, "auto")
    head_width = max(inner // heads, 1) if automatic else config.integer("mamba_d_head")
    config.require(heads * head_width == inner, f"mamba_d_head: {heads} heads of {head_width} are not {inner} wide")
    mamba = Mamba2(
        heads=heads,
        head_width=head_width,
        state_width=config.integer("mamba_d_state", default=256),
        groups=groups_of(config, heads, "mamba_n_groups", default=1),
        kernel=config.integer("mamba_d_conv", default=4),
        chunk=config.integer("mamba_chunk_size", default=256),
        input_bias=config.flag("mamba_proj_bias", default=False),
        output_bias=config.flag("projectors_bias", default=False),
        convolution_bias=config.flag("mamba_conv_bias", default=True),
        gated_norm=config.flag("mamba_rms_norm", default=False),
    )
    mlp_bias = config.flag("mlp_bias", default=False)
    block = FeedForward(inner_width=config.integer("intermediate_size"), gated=True, bias=mlp_bias)
    return assemble(config, width, grouped([mamba] * depth, [block] * depth, also=(full,)))


_NEMOTRON = {"M": LINEAR, "E": "moe", "*": FULL, "-": "mlp"}
_LEGACY = {"mamba": LINEAR, "attention": FULL}


def current_kinds(listed: list[Any]) -> list[str]:
    """Return kinds of layers by their current names."""
    return [_LEGACY.get(str(kind), str(kind)) for kind in listed]


def _nemotron_kinds(config: Config) -> list[str]:
    """Return the kind of each layer, from a list of names or a pattern of letters."""
    depth = config.optional("num_hidden_layers")
    pattern = config.value("hybrid_override_pattern")
    key = "layer_types" if config.value("layer_types") else "layers_block_type"
    listed = config.value(key)
    if listed is None and isinstance(pattern, str):
        key, listed = "hybrid_override_pattern", [_NEMOTRON.get(letter, letter) for letter in pattern]
    if not isinstance(listed, list) or not 1 <= len(listed) <= 10_000:
        config.require(False, "hybrid_override_pattern: is required, or layers_block_type, for 1 to 10,000 layers")
        return []
    kinds = current_kinds(listed)
    unknown = sorted(set(kinds) - set(_NEMOTRON.values()))
    config.require(not unknown, f"{key}: unknown kinds of layer {', '.join(unknown)}; known: {', '.join(_NEMOTRON)}")
    config.require(depth in {None, len(kinds)}, f"{key}: gives {len(kinds)} layers, num_hidden_layers {depth}")
    return kinds


def _nemotron_h(config: Config) -> Architecture:
    config.skip("max_position_embeddings", "moe_shared_expert_overlap", "expand", "mamba_expand")
    kinds = _nemotron_kinds(config)
    width = config.integer("hidden_size")
    bias, mlp_bias = config.flag("use_bias", default=False), config.flag("mlp_bias", default=False)
    config.require(
        not config.flag("attention_bias", default=False),
        "attention_bias: is not understood where it is true, because implementations of this family differ in it",
    )
    heads = config.integer("mamba_num_heads", default=128)
    blocks: dict[str, Block] = {
        FULL: read_attention(config, width, kv_heads=8, head_width=128),
        LINEAR: Mamba2(
            heads=heads,
            head_width=config.integer("mamba_head_dim", default=64),
            state_width=config.integer("ssm_state_size", default=128),
            groups=groups_of(config, heads, "mamba_n_groups", "n_groups", default=8),
            kernel=config.integer("mamba_d_conv", "conv_kernel", default=4),
            chunk=config.integer("mamba_chunk_size", "chunk_size", default=128),
            input_bias=bias,
            output_bias=bias,
            convolution_bias=config.flag("mamba_conv_bias", "use_conv_bias", default=True),
        ),
        "mlp": FeedForward(inner_width=config.integer("intermediate_size", default=21504), gated=False, bias=mlp_bias),
        "moe": _nemotron_experts(config, mlp_bias),
    }
    mixers = [blocks[kind] if kind in {LINEAR, FULL} else None for kind in kinds]
    feed_forwards = [blocks[kind] if kind in {"mlp", "moe"} else None for kind in kinds]
    require_untied(config)
    predicted = _nemotron_prediction_layers(config)
    layer = Layer(mixer=blocks[FULL], feed_forward=blocks["moe"]) if predicted else None
    layers = grouped(mixers, feed_forwards, norms=1)
    return assemble(config, width, layers, prediction_layers=predicted, prediction_layer=layer)


def _nemotron_prediction_layers(config: Config) -> int:
    """Return the number of multi-token-prediction layers, 0 or 1."""
    predicted = config.integer("num_nextn_predict_layers", default=0, least=0)
    config.require(predicted <= 1, f"num_nextn_predict_layers: at most 1 is known for this model_type; got {predicted}")
    pattern, listed = config.value("mtp_hybrid_override_pattern"), config.value("mtp_layers_block_type")
    names = current_kinds(listed) if isinstance(listed, list) else [FULL, "moe"]
    supported = pattern in (None, "*E") and names == [FULL, "moe"]
    config.require(supported or not predicted, "mtp_layers_block_type: only attention followed by moe is known")
    return min(predicted, 1)


def _nemotron_experts(config: Config, bias: bool) -> Experts:
    experts = config.integer("n_routed_experts", "num_local_experts", default=8)
    shared = FeedForward(
        inner_width=config.integer("moe_shared_expert_intermediate_size", default=7688), gated=False, bias=bias
    )
    config.require(config.integer("n_shared_experts", default=1) == 1, "n_shared_experts: only 1 is known")
    inner = config.integer("moe_intermediate_size", default=7688)
    latent = config.optional("moe_latent_size")
    config.require(not (bias and latent), "mlp_bias: only false is known with moe_latent_size")
    return routed(config, experts, read_top_k(config, 2), inner, gated=False, shared=shared, latent_width=latent)


READERS: dict[str, Reader] = {
    "mamba": _mamba,
    "falcon_mamba": _mamba,
    "mamba2": _mamba2,
    "rwkv": _rwkv,
    "jamba": _jamba,
    "falcon_h1": _falcon_h1,
    "nemotron_h": _nemotron_h,
}
"""Readers by the `model_type` of a config."""

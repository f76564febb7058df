"""Rotary decoders that differ from Llama in a few options, dense or with experts.

Defaults are those of the configuration classes in Hugging Face transformers 5.24: a config leaves out keys that
equal them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.block import Block
from costmodel.architecture.blocks.differential_attention import DifferentialAttention
from costmodel.architecture.blocks.experts import Experts
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.pieces import Linear, Norm
from costmodel.architecture.families.reading import Reader, grouped, read_depth
from costmodel.architecture.sources.config import Config
from costmodel.architecture.sources.hyperparameters import KEYS
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer

_SLIDING, _FULL = "sliding_attention", "full_attention"


@dataclass(frozen=True, slots=True)
class Family:
    """Differences of a rotary decoder family from Llama."""

    tied: bool = False
    kv_heads: int | None = None
    """Default of `num_key_value_heads`; None for as many as heads."""
    head_width: int | None = None
    """Default of `head_dim`; None for width / heads."""
    qkv_bias: bool = False
    output_bias: bool = False
    bias_key: bool = True
    """Whether `attention_bias` is read (for all four projections)."""
    bias_keys: tuple[str, ...] = ("attention_bias", "bias")
    bias_default: bool = False
    qkv_bias_key: str = ""
    """Separate key for the biases of queries, keys and values."""
    output_bias_key: bool = True
    """Whether `attention_bias` also applies to the output projection."""
    separate_output_bias_key: str = ""
    """Separate key for the bias of the output projection, false by default."""
    final_norm: bool = True
    qk_norm: Literal["none", "head", "width"] = "none"
    norms: int = 2
    window: int | None = None
    """Default of `sliding_window`."""
    pattern: Callable[[Config, int], list[bool]] | None = None
    """Which layers have a sliding window; None for all."""
    sinks: bool = False
    output_gate: bool = False
    gated: bool = True
    """Whether the feed-forward blocks are gated."""
    mlp_bias_key: str = ""
    """Key for the biases of the feed-forward blocks; "" for none."""
    mlp_bias_default: bool = False
    norm_bias: bool = False
    post_norm_key: str = ""
    """Key for a norm after each block, true by default; "" for none."""
    also: Callable[[Config, int, Attention], tuple[Block, ...]] | None = None
    """Further blocks of each layer, from the hidden size and the attention."""
    differential: bool = False
    """Whether the attention is the difference of two attentions."""
    depth_keys: tuple[str, ...] = ("num_hidden_layers",)


def _every_second(config: Config, depth: int) -> list[bool]:
    return [index % 2 == 0 for index in range(depth)]


def _every_sixth_full(config: Config, depth: int) -> list[bool]:
    period = config.integer("sliding_window_pattern", "_sliding_window_pattern", default=6)
    return [bool((index + 1) % period) for index in range(depth)]


def _every_fourth_full(config: Config, depth: int) -> list[bool]:
    return [bool((index + 1) % 4) for index in range(depth)]


def _first_of_four_full(config: Config, depth: int) -> list[bool]:
    return [bool(index % 4) for index in range(depth)]


def _last_of_four_full(config: Config, depth: int) -> list[bool]:
    return [bool((depth - 1 - index) % 4) for index in range(depth)]


def _exaone_pattern(config: Config, depth: int) -> list[bool]:
    """Return which layers have a sliding window, from a period or from a text such as "LLLG"."""
    pattern = config.value("sliding_window_pattern")
    pattern = 4 if pattern is None else pattern
    if isinstance(pattern, str):
        known = bool(pattern) and set(pattern) <= {"L", "G"} and len(pattern) <= depth
        config.require(known, f"sliding_window_pattern: must be a period or a text of L and G; got {pattern[:40]!r}")
        return [known and pattern[index % len(pattern)] == "L" and index < depth - 1 for index in range(depth)]
    period = config.integer("sliding_window_pattern", default=4, least=0)
    return [bool(period and (index + 1) % period) for index in range(depth)]


def qwen_upper(config: Config, depth: int) -> list[bool]:
    """Return which layers have a sliding window: those from `max_window_layers` on, with `use_sliding_window`."""
    first = config.integer("max_window_layers", default=28, least=0)
    slides = config.flag("use_sliding_window", default=False)
    return [slides and index >= first for index in range(depth)]


LLAMA = Family(mlp_bias_key="mlp_bias")
MISTRAL = Family(kv_heads=8, window=4096, bias_key=False)
MIXTRAL = Family(kv_heads=8, bias_key=False)
QWEN2 = Family(kv_heads=32, qkv_bias=True, bias_key=False, window=4096, pattern=qwen_upper)
QWEN3 = Family(kv_heads=32, head_width=128, qk_norm="head", window=4096, pattern=qwen_upper)
GEMMA = Family(tied=True, kv_heads=16, head_width=256)
GEMMA2 = Family(tied=True, kv_heads=4, head_width=256, norms=4, window=4096, pattern=_every_second)
GEMMA3 = Family(tied=True, kv_heads=4, head_width=256, norms=4, qk_norm="head", window=4096, pattern=_every_sixth_full)
OLMO2 = Family(qk_norm="width")
PHI3 = Family(bias_key=False)
GPT_OSS = Family(kv_heads=8, head_width=64, bias_default=True, window=128, pattern=_every_second, sinks=True)


def attentions_of(config: Config, family: Family, width: int, depth: int) -> list[Attention]:
    """Return the attention of each layer."""
    heads = config.integer("num_attention_heads")
    kv_heads = config.integer("num_key_value_heads", default=_kv_default(config, family, heads))
    head_width = config.optional("head_dim", default=family.head_width)  # null: hidden size / heads
    if head_width is None:
        config.require(
            width % heads == 0, f"hidden_size: {width} is not a multiple of the {heads} heads; give head_dim"
        )
        head_width = max(width // heads, 1)
    config.require(heads % kv_heads == 0, f"num_key_value_heads: {kv_heads} does not divide the {heads} heads")
    bias = family.bias_key and config.flag(*family.bias_keys, default=family.bias_default)
    if family.pattern is not qwen_upper and not config.flag("use_sliding_window", default=False):
        config.skip("max_window_layers")  # some configs without sliding layers have it
    if family.qkv_bias:
        config.skip("attention_bias")  # some configs have it, but no model of the family reads it
    window = config.optional("sliding_window", default=family.window)
    if config.data.get("use_sliding_window") is False:
        window = None
    sliding_layers = _slides(config, family, depth, window)
    qkv_bias = config.flag(family.qkv_bias_key, default=True) if family.qkv_bias_key else family.qkv_bias or bias
    output_bias = bias and family.output_bias_key
    if family.separate_output_bias_key:
        output_bias = config.flag(family.separate_output_bias_key, default=False)
    full = Attention(
        heads=heads,
        kv_heads=min(kv_heads, heads),
        head_width=head_width,
        qk_norm=family.qk_norm,
        qkv_bias=qkv_bias,
        output_bias=family.output_bias or output_bias,
        sinks=family.sinks,
        output_gate=family.output_gate,
    )
    sliding = full.replace(window=window) if window is not None else full
    return [sliding if slides else full for slides in sliding_layers]


def _kv_default(config: Config, family: Family, heads: int) -> int:
    absent = "num_key_value_heads" not in config.data
    return family.kv_heads if absent and family.kv_heads is not None else heads


def _slides(config: Config, family: Family, depth: int, window: int | None) -> list[bool]:
    listed = config.names("layer_types", depth, (_SLIDING, _FULL))
    default = family.pattern(config, depth) if family.pattern else [True] * depth
    if window is None:
        return [False] * depth
    return default if listed is None else [kind == _SLIDING for kind in listed]


def _decoder(
    config: Config, family: Family, blocks: Callable[[Config, int], Sequence[FeedForward | Experts]]
) -> Architecture:
    """Read a rotary decoder; `blocks(config, depth)` returns the feed-forward block of each layer."""
    config.skip("max_position_embeddings", "max_sequence_length", "seq_length")
    config.skip("attention_multiplier", "embedding_multiplier")
    width = config.integer("hidden_size")
    depth = read_depth(config, *family.depth_keys)
    attentions, feed_forwards = attentions_of(config, family, width, depth), blocks(config, depth)
    predicted = _prediction_layers(config)
    post_norms = bool(family.post_norm_key) and config.flag(family.post_norm_key, default=True)
    options: dict[str, Any] = {
        "norms": family.norms + 2 * post_norms,
        "norm_bias": family.norm_bias,
        "also": family.also(config, width, attentions[0]) if family.also else (),
    }
    mixers = [DifferentialAttention(attention=mixer) for mixer in attentions] if family.differential else attentions
    last = Layer(mixer=mixers[-1], feed_forward=feed_forwards[-1], **options)
    return Architecture(
        width=width,
        layers=grouped(mixers, feed_forwards, **options),
        prediction_layers=predicted,
        prediction_layer=last if predicted else None,
        vocabulary=config.integer("vocab_size"),
        tied=config.flag("tie_word_embeddings", default=family.tied),
        final_norm=family.final_norm,
        norm_bias=family.norm_bias,
    )


def _prediction_layers(config: Config) -> int:
    """Return the number of multi-token-prediction layers, from the keys of DeepSeek or MiniMax."""
    modules = config.integer("num_mtp_modules", default=0, least=0)
    layers_per_module = config.integer("mtp_transformer_layers", default=1)
    if config.flag("use_mtp", default=modules > 0):
        return modules * layers_per_module
    return config.integer("num_nextn_predict_layers", default=0, least=0)


def _dense(family: Family) -> Callable[[Config, int], Sequence[FeedForward]]:
    """Return the reader of the dense feed-forward blocks of a family."""

    def read(config: Config, depth: int) -> list[FeedForward]:
        bias = bool(family.mlp_bias_key) and config.flag(family.mlp_bias_key, default=family.mlp_bias_default)
        inner = config.integer("intermediate_size")
        return [FeedForward(inner_width=inner, gated=family.gated, bias=bias)] * depth

    return read


def _mixtral_experts(config: Config, depth: int) -> list[Experts]:
    experts, top_k = config.integer("num_local_experts", default=8), config.integer("num_experts_per_tok", default=2)
    return [routed(config, experts, top_k, config.integer("intermediate_size"))] * depth


def _gpt_oss_experts(config: Config, depth: int) -> list[Experts]:
    experts = config.integer("num_local_experts", default=128)
    top_k = config.integer("num_experts_per_tok", "experts_per_token", default=4)
    inner = config.integer("intermediate_size", default=2880)
    return [routed(config, experts, top_k, inner, bias=True, router_bias=True)] * depth


def routed(config: Config, experts: int, top_k: int, inner: int, **options: Any) -> Experts:
    """Return a block of routed experts; `top_k` above the number of experts is a problem, null a doubt."""
    given = [key for key in KEYS["top_k"] if key in config.data]
    if given and all(config.data[key] is None for key in given):
        config.doubt(f"{given[0]}: null does not say how many of {experts} experts a token uses; {top_k} were counted")
    config.require(top_k <= experts, f"num_experts_per_tok: {top_k} of only {experts} experts")
    return Experts(experts=experts, top_k=min(top_k, experts), inner_width=inner, **options)


def rotary(family: Family, blocks: Callable[[Config, int], Sequence[FeedForward | Experts]] | None = None) -> Reader:
    """Return the reader of a rotary decoder family; its feed-forward blocks are dense unless `blocks` is given."""
    return lambda config: _decoder(config, family, blocks or _dense(family))


def _learned_activation(config: Config, width: int, attention: Attention) -> tuple[Block, ...]:
    """Return the two learned numbers of the activation xIELU (Huang and Schlag 2024, arXiv 2411.13010)."""
    return (Norm(extent=1, copies=2),) if config.value("hidden_act") in (None, "xielu") else ()


def _norms_within_blocks(config: Config, width: int, attention: Attention) -> tuple[Block, ...]:
    """Return the norms before the output of the attention and of the feed-forward block."""
    return Norm(extent=width), Norm(extent=config.integer("intermediate_size"))


def _square_output(config: Config, width: int, attention: Attention) -> tuple[Block, ...]:
    """Require heads as wide as the hidden state, because the output projection is square."""
    problem = f"head_dim: the heads are {attention.query_width} wide, but hidden_size is {width}; they must be equal"
    config.require(attention.query_width == width, problem)
    return ()


def _dynamic_mask(config: Config, width: int, attention: Attention) -> tuple[Block, ...]:
    """Return the gate of the dynamic mask of Doge, and the learned scales of its residual connections."""
    experts = config.flag("is_moe", default=False)
    config.require(not experts, "is_moe: the cross-domain experts of Doge are not known here")
    config.skip("num_experts", "num_experts_per_tok", "keep_window_size")
    gate = Linear(
        inputs=attention.key_width, outputs=attention.kv_heads, bias=attention.qkv_bias, belongs_to="attention"
    )
    return gate, Norm(extent=attention.kv_heads), Norm(extent=width, copies=2)


READERS: dict[str, Reader] = {
    "llama": rotary(LLAMA),
    "mistral": rotary(MISTRAL),
    "mixtral": rotary(MIXTRAL, _mixtral_experts),
    "qwen2": rotary(QWEN2),
    "qwen2_vl_text": rotary(replace(QWEN2, kv_heads=8)),
    "qwen2_5_vl_text": rotary(replace(QWEN2, kv_heads=8)),
    "qwen2_5_omni_text": rotary(replace(QWEN2, kv_heads=4)),
    "qwen3": rotary(QWEN3),
    "gemma": rotary(GEMMA),
    "gemma2": rotary(GEMMA2),
    "gemma3_text": rotary(GEMMA3),
    "olmo2": rotary(OLMO2),
    "phi3": rotary(PHI3),
    "gpt_oss": rotary(GPT_OSS, _gpt_oss_experts),
    "glm": rotary(Family(kv_heads=2, head_width=128, bias_default=True, output_bias_key=False)),
    "glm4": rotary(Family(kv_heads=2, head_width=128, bias_default=True, output_bias_key=False, norms=4)),
    "ministral3": rotary(Family(kv_heads=8, head_width=128, bias_key=False)),
    "olmo": rotary(Family(norms=0, final_norm=False)),
    "olmo3": rotary(Family(qk_norm="width", window=4096, pattern=_every_fourth_full)),
    "internlm": rotary(Family(bias_default=True)),
    "smollm3": rotary(Family(kv_heads=4, tied=True, mlp_bias_key="mlp_bias")),
    "apertus": rotary(Family(qk_norm="head", gated=False, also=_learned_activation)),
    "arcee": rotary(Family(gated=False, mlp_bias_key="mlp_bias")),
    "bitnet": rotary(Family(kv_heads=5, also=_norms_within_blocks)),
    "cosmos3_edge_text": rotary(Family(kv_heads=8, head_width=128, gated=False, mlp_bias_key="mlp_bias")),
    "cwm": rotary(
        Family(
            kv_heads=8,
            head_width=128,
            bias_key=False,
            mlp_bias_key="mlp_bias",
            window=8192,
            pattern=_first_of_four_full,
        )
    ),
    "diffllama": rotary(Family(differential=True)),
    "doge": rotary(Family(qk_norm="head", mlp_bias_key="mlp_bias", also=_dynamic_mask)),
    "emu3_text_model": rotary(Family(kv_heads=8, mlp_bias_key="mlp_bias")),
    "ernie4_5": rotary(Family(kv_heads=2, head_width=128, tied=True, bias_keys=("use_bias",), mlp_bias_key="use_bias")),
    "exaone": rotary(Family(kv_heads=8, mlp_bias_key="mlp_bias", depth_keys=("num_hidden_layers", "num_layers"))),
    "exaone4": rotary(Family(kv_heads=32, qk_norm="head", bias_key=False, window=4096, pattern=_exaone_pattern)),
    "granite_docling_text": rotary(Family(tied=True, kv_heads=4, mlp_bias_key="mlp_bias")),
    "granite_swa": rotary(
        Family(kv_heads=4, tied=True, mlp_bias_key="mlp_bias", window=128, pattern=_first_of_four_full, sinks=True)
    ),
    "helium": rotary(
        Family(kv_heads=20, head_width=128, output_bias_key=False, mlp_bias_key="mlp_bias", also=_square_output)
    ),
    "hunyuan_v1_dense": rotary(Family(qk_norm="head")),
    "hunyuan_vl_text": rotary(Family(qk_norm="head", tied=True)),
    "hyperclovax": rotary(Family(mlp_bias_key="mlp_bias", post_norm_key="use_post_norm")),
    "internlm2": rotary(Family(bias_keys=("bias",), bias_default=True)),
    "internlm3": rotary(
        Family(kv_heads=2, head_width=128, bias_keys=("attention_bias", "qkv_bias"), mlp_bias_key="mlp_bias")
    ),
    "iquestcoder": rotary(Family(kv_heads=8, head_width=128, mlp_bias_key="mlp_bias")),
    "jais2": rotary(
        Family(bias_default=True, gated=False, norm_bias=True, mlp_bias_key="mlp_bias", mlp_bias_default=True)
    ),
    "minicpm": rotary(Family(tied=True)),
    "ministral": rotary(Family(kv_heads=8, bias_key=False, window=4096)),
    "muse_glimmer_text": rotary(
        Family(
            kv_heads=2,
            head_width=128,
            norms=4,
            output_gate=True,
            bias_key=False,
            window=2048,
            pattern=_last_of_four_full,
        )
    ),
    "nanochat": rotary(Family(gated=False, norms=0, final_norm=False)),
    "nemotron": rotary(Family(head_width=128, gated=False, norm_bias=True, mlp_bias_key="mlp_bias")),
    "seed_oss": rotary(
        Family(
            kv_heads=8,
            head_width=128,
            bias_default=True,
            output_bias_key=False,
            separate_output_bias_key="attention_out_bias",
            mlp_bias_key="mlp_bias",
        )
    ),
    "vaultgemma": rotary(Family(tied=True, kv_heads=4, head_width=256, window=4096, pattern=_every_second)),
}
"""Readers by the `model_type` of a config."""

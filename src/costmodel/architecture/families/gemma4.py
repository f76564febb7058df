"""Gemma 4: wider heads in global layers, reused keys and values in late layers, and embeddings per layer."""

from typing import Any

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.block import Block
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.pieces import Linear, Norm, Table
from costmodel.architecture.blocks.reused_attention import ReusedAttention
from costmodel.architecture.families.multimodal import joined, read_text
from costmodel.architecture.families.reading import Reader, grouped, read_depth
from costmodel.architecture.families.rotary import routed
from costmodel.architecture.families.towers import NAME, Shape, linear_on, read_shape
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer, Stack


def _gemma4(config: Config) -> Architecture:
    config.require(config.data.get("audio_config") is None, "audio_config: the tower for sound is not known here")
    text = read_text(config, "gemma4_text", tied=True, reader=_text)
    config.require(config.data.get("vision_config") is not None, "vision_config: is required and missing")
    vision = config.inner("vision_config")
    default_rows = vision.integer("default_output_length", default=280)
    rows = config.integer("vision_soft_tokens_per_image", default=default_rows)
    tower = _tower(vision, rows)
    return joined(text, tower, linear_on(tower.width, text.width, rows))


def _text(config: Config) -> Architecture:
    config.skip("max_position_embeddings")
    width, depth = config.integer("hidden_size"), read_depth(config, "num_hidden_layers")
    bidirectional = config.value("use_bidirectional_attention")
    config.require(
        bidirectional in (None, "vision"),
        f"use_bidirectional_attention: only 'vision' is known here; got {bidirectional!r}",
    )
    shared = config.integer("num_kv_shared_layers", default=0, least=0)
    config.require(shared <= depth, f"num_kv_shared_layers: {shared} of only {depth} layers")
    shared = min(shared, depth)
    inner = config.integer("intermediate_size")
    dense = FeedForward(inner_width=inner, gated=True)
    wide = FeedForward(
        inner_width=2 * inner if config.flag("use_double_wide_mlp", default=False) else inner, gated=True
    )
    also, norms, extras = _additions(config, width, depth)
    return Architecture(
        width=width,
        layers=grouped(
            _mixers(config, depth, shared), [dense] * (depth - shared) + [wide] * shared, also=also, norms=norms
        ),
        vocabulary=config.integer("vocab_size"),
        tied=config.flag("tie_word_embeddings", default=True),
        extras=extras,
    )


def _mixers(config: Config, depth: int, shared: int) -> list[Attention | ReusedAttention]:
    """Return the attention of each layer; the last `shared` reuse keys and values."""
    heads, kv_heads = config.integer("num_attention_heads"), config.integer("num_key_value_heads")
    bias = config.flag("attention_bias", default=False)
    plain: dict[str, Any] = {"heads": heads, "qk_norm": "head", "qkv_bias": bias, "output_bias": bias}
    sliding = Attention(
        kv_heads=kv_heads,
        head_width=config.integer("head_dim", default=256),
        window=config.integer("sliding_window", default=512),
        **plain,
    )
    keys_are_values = config.flag("attention_k_eq_v", default=False)
    global_kv_heads = config.optional("num_global_key_value_heads")
    full = Attention(
        kv_heads=global_kv_heads if keys_are_values and global_kv_heads is not None else kv_heads,
        head_width=config.integer("global_head_dim", default=512),
        **plain,
    )
    for name, count in (("num_key_value_heads", kv_heads), ("num_global_key_value_heads", full.kv_heads)):
        config.require(heads % count == 0, f"{name}: {count} does not divide the {heads} heads")
    types = config.names("layer_types", depth, ("sliding_attention", "full_attention"))
    slides = [bool((index + 1) % 6) for index in range(depth)]
    if types is not None:
        slides = [kind == "sliding_attention" for kind in types]
    slides[-1] = False
    full_layer = ReusedAttention(attention=full, reuses="key") if keys_are_values else full
    computed = [sliding if is_sliding else full_layer for is_sliding in slides[: depth - shared]]
    reused = [
        ReusedAttention(attention=sliding if is_sliding else full, reuses="earlier")
        for is_sliding in slides[depth - shared :]
    ]
    return [*computed, *reused]


def _additions(config: Config, width: int, depth: int) -> tuple[tuple[Block, ...], int, tuple[Block, ...]]:
    """Return further blocks of each layer, its number of norms, and blocks outside the layers."""
    also: list[Block] = []
    norms = 4
    if config.flag("enable_moe_block", default=False):
        experts = config.integer("num_experts")
        also += [
            routed(config, experts, config.integer("top_k_experts"), config.integer("moe_intermediate_size")),
            Norm(extent=width),  # scales of the router's input, and of each expert
            Norm(extent=experts),
        ]
        norms += 3
    layer_width = config.integer("hidden_size_per_layer_input", default=256, least=0)
    rows = config.integer("vocab_size_per_layer_input", default=262144)
    if not layer_width:
        return tuple(also), norms, ()
    gate, output = Linear(inputs=width, outputs=layer_width), Linear(inputs=layer_width, outputs=width)
    projection = Linear(inputs=width, outputs=layer_width)  # the part of the layer of a matrix for all layers
    extras = (Table(rows=rows, columns=depth * layer_width), Norm(extent=layer_width))
    return (*also, projection, gate, output), norms + 1, extras


def _tower(config: Config, rows: int) -> Stack:
    """Return the tower for an image that is pooled into `rows` tokens."""
    config.skip("attention_bias", "global_head_dim", "max_position_embeddings", "use_clipped_linears")
    width, inner, heads, depth = read_shape(config, Shape(768, 3072, 12, 16))
    kv_heads = config.integer("num_key_value_heads", default=12)
    config.require(heads % kv_heads == 0, f"num_key_value_heads: {kv_heads} does not divide the {heads} heads")
    config.require(depth <= 10_000, f"num_hidden_layers: at most 10,000 layers are read; got {depth:,}")
    layer = Layer(
        mixer=Attention(
            heads=heads,
            kv_heads=min(kv_heads, heads),
            head_width=config.integer("head_dim", default=64),
            qk_norm="head",
            causal=False,
        ),
        feed_forward=FeedForward(inner_width=inner, gated=True),
        norms=4,
        count=depth,
    )
    patches = rows * config.integer("pooling_kernel_size", default=3) ** 2
    extras = (
        linear_on(3 * config.integer("patch_size", default=16) ** 2, width, patches, part=NAME),
        Table(rows=2 * config.integer("position_embedding_size", default=10240), columns=width),
    )
    return Stack(name=NAME, width=width, layers=(layer,), extras=extras, tokens=patches)


READERS: dict[str, Reader] = {"gemma4": _gemma4}
"""Readers by the `model_type` of a config."""

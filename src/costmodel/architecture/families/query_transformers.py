"""Projectors with learned queries that read a tower: the Q-Former of BLIP-2, and those of Kosmos-2 and Molmo 2.

Defaults are those of the configuration classes in Hugging Face transformers 5.24.
"""

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.block import Block
from costmodel.architecture.blocks.cross_attention import CrossAttention
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.pieces import Norm, Table
from costmodel.architecture.blocks.window_attention import WindowAttention
from costmodel.architecture.families.heads import heads_of
from costmodel.architecture.families.projectors import Parts
from costmodel.architecture.families.towers import PROJECTOR, linear_on, norm_of
from costmodel.architecture.sources.config import Config
from costmodel.architecture.structure import Layer, Stack


def query_transformer(config: Config, queries: int, source: int, *, text: bool = False, windows: int = 1) -> Stack:
    """Read a Q-Former: layers of BERT on learned queries, of which some attend to the tower.

    Parameters
    ----------
    config : Config
        Its config.
    queries : int
        Learned queries.
    source : int
        Tokens of the tower that all windows read together.
    text : bool
        Whether the layers read a text too, with feed-forward blocks of their own.
    windows : int
        Windows of the tower that are read one by one, each with all queries.
    """
    config.skip("max_position_embeddings", "vocab_size")
    width, depth = config.integer("hidden_size", default=768), config.integer("num_hidden_layers", default=12)
    config.require(depth <= 10_000, f"num_hidden_layers: at most 10,000 layers are read; got {depth:,}")
    depth = min(depth, 10_000)
    heads, head_width = heads_of(config, width, "num_attention_heads", default=12)
    inner = config.integer("intermediate_size", default=3072)
    step, inputs = (
        config.integer("cross_attention_frequency", default=2),
        config.integer("encoder_hidden_size", default=1408),
    )
    tokens = queries * windows
    mixer: Block = Attention(
        heads=heads, kv_heads=heads, head_width=head_width, qkv_bias=True, output_bias=True, causal=False
    )
    cross: list[Block] = [
        CrossAttention(
            heads=heads,
            kv_heads=heads,
            head_width=head_width,
            qkv_bias=True,
            output_bias=True,
            source_tokens=source,
            source_width=inputs,
        )
    ]
    if windows > 1:  # without the scores, of which each query has one per frame of its window
        mixer = WindowAttention(heads=heads, head_width=head_width, window=queries, places=tokens)
        ends = ((width, tokens), (inputs, source), (inputs, source), (width, tokens))
        cross = [linear_on(features, width, rows, bias=True) for features, rows in ends]
    block = FeedForward(inner_width=inner, gated=False, bias=True)
    reads_text = [block, Norm(extent=width, bias=True)] if text else []
    own = Layer(mixer=mixer, also=tuple(reads_text), feed_forward=block, norm_bias=True)
    reading = own.replace(also=(*cross, Norm(extent=width, bias=True), *reads_text))
    count = len(range(0, depth, step))
    layers = [(reading, count), (own, depth - count)]
    extras: list[Block] = [norm_of(width), norm_of(width, bias=False, copies=queries)]
    if text:
        rows = config.integer("vocab_size", default=30522) + config.integer("max_position_embeddings", default=512)
        extras.append(Table(rows=rows, columns=width))
    return Stack(
        name=PROJECTOR,
        width=width,
        layers=tuple(layer.replace(count=copies) for layer, copies in layers if copies),
        extras=tuple(extras),
        tokens=tokens,
    )


def blip2(parts: Parts) -> list[Block | Stack]:
    """Read the projector of BLIP-2: a Q-Former, and one layer on its queries."""
    config = parts.config.inner("qformer_config")
    reads_text = config.flag("use_qformer_text_input", default=False)
    config.require(not reads_text, "use_qformer_text_input: only false is read")
    return _blip(parts, config, text=False)


def instruct_blip(parts: Parts) -> list[Block | Stack]:
    """Read the projector of InstructBLIP: a Q-Former that reads the instruction too, and one layer on its queries."""
    return _blip(parts, parts.config.inner("qformer_config"), text=True)


def _blip(parts: Parts, config: Config, *, text: bool) -> list[Block | Stack]:
    parts.config.skip("image_text_hidden_size", "use_decoder_only_language_model", "num_query_tokens")
    queries = parts.config.integer("num_query_tokens", default=32)
    stack = query_transformer(config, queries, parts.tower.tokens or 1, text=text)
    return [stack, linear_on(stack.width, parts.text.width, queries, bias=True)]


def granite_speech(parts: Parts) -> list[Block | Stack]:
    """Read the projector of Granite Speech: a Q-Former on each window of the sound, and one layer on its queries."""
    parts.config.skip("has_lora_adapter")
    window, rate = parts.config.integer("window_size", default=15), parts.config.integer("downsample_rate", default=5)
    parts.config.require(
        window >= rate, f"window_size: {window} is less than downsample_rate, {rate}: no query is left"
    )
    source, queries = parts.tower.tokens or 1, max(window // rate, 1)
    config = parts.config.inner("projector_config")
    windows = max(-(-source // window), 2)
    stack = query_transformer(config, queries, source, windows=windows)
    return [stack, linear_on(stack.width, parts.text.width, queries * windows, bias=True)]


def kosmos2(parts: Parts) -> list[Block | Stack]:
    """Read the projector of Kosmos-2: one layer on each patch, and latent queries that attend to all of them."""
    queries, width, patches = (
        parts.config.integer("latent_query_num", default=64),
        parts.text.width,
        parts.tower.tokens or 1,
    )
    heads = getattr(parts.text.layers[0].mixer, "heads", 1)
    mixer = CrossAttention(
        heads=heads,
        kv_heads=heads,
        head_width=max(width // heads, 1),
        qkv_bias=True,
        output_bias=True,
        source_tokens=patches + queries,
    )
    latents = norm_of(width, bias=False, copies=queries)
    stack = Stack(name=PROJECTOR, width=width, layers=(Layer(mixer=mixer, norms=0),), extras=(latents,), tokens=queries)
    return [linear_on(parts.tower.width, width, patches, bias=True), stack]


def molmo2(parts: Parts) -> list[Block]:
    """Read the adapter of Molmo 2: attention that pools four patches, without its scores, and a gated layer."""
    config = parts.config.inner("adapter_config")
    chosen = config.numbers("vision_feature_layer") if "vision_feature_layer" in config.data else [24, 18]
    width, inner = config.integer("hidden_size", default=1152), config.integer("intermediate_size", default=18944)
    heads, head_width = config.integer("num_attention_heads", default=16), config.integer("head_dim", default=72)
    keys = config.integer("num_key_value_heads", default=16) * head_width
    bias, outputs = config.flag("attention_bias", default=True), config.integer("text_hidden_size", default=3584)
    patches, inputs = parts.tower.tokens or 1, width * max(len(chosen), 1)
    rows = max(patches // 4, 1)
    queries = heads * head_width
    feed_forward_bias = config.flag("mlp_bias", default=False)
    return [
        linear_on(inputs, queries, rows, bias=bias),
        linear_on(inputs, keys, patches, bias=bias),
        linear_on(inputs, keys, patches, bias=bias),
        linear_on(queries, width, rows, bias=bias),
        linear_on(width, inner, rows, bias=feed_forward_bias),
        linear_on(width, inner, rows, bias=feed_forward_bias),
        linear_on(inner, outputs, rows),
    ]


def aria(parts: Parts) -> list[Block | Stack]:
    """Read the projector of Aria: learned queries that attend to the patches, and a feed-forward block."""
    parts.config.skip("projector_patch_to_query_dict", "vision_feature_layer")
    queries = parts.config.integer("max_value_projector_patch_to_query_dict", default=256)
    width, patches = parts.tower.width, parts.tower.tokens or 1
    heads = getattr(parts.tower.layers[0].mixer, "heads", 1)
    attention = CrossAttention(
        heads=heads,
        kv_heads=heads,
        head_width=max(width // heads, 1),
        qkv_bias=True,
        output_bias=True,
        source_tokens=patches,
    )
    again = [linear_on(width, width, rows) for rows in (queries, patches, patches)]
    again.append(linear_on(width, width, queries, bias=True))
    norms = [norm_of(width, copies=3), norm_of(width, bias=False, copies=queries)]
    stack = Stack(
        name=PROJECTOR,
        width=width,
        layers=(Layer(mixer=attention, norms=0),),
        extras=(*again, *norms),
        tokens=queries,
    )
    outputs = parts.text.width
    return [stack, linear_on(width, outputs, queries), linear_on(outputs, outputs, queries)]

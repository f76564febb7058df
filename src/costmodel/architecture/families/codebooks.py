"""Decoders of text or sound with cross-attention to a source, or with tables for codes of sound.

The text model of Llama 3.2 Vision, the decoders of MusicGen, and the text decoder of Moshi. Defaults are those of the
configuration classes in Hugging Face transformers 5.24.
"""

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.block import Block
from costmodel.architecture.blocks.cross_attention import CrossAttention
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.pieces import Linear, Norm, Table
from costmodel.architecture.families.classes import read_class
from costmodel.architecture.families.heads import heads_of, kv_heads_of
from costmodel.architecture.families.reading import Reader, read_depth
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer

_IMAGE_ROWS = 8
"""Rows of the embedding of Llama 3.2 Vision beyond the vocabulary, for the tokens of images."""


def _mllama(config: Config) -> Architecture:
    """Read the text model of Llama 3.2 Vision: some layers attend to the image instead of the text."""
    config.skip("max_position_embeddings", "tie_word_embeddings")  # the LM head is never tied
    width, depth = config.integer("hidden_size", default=4096), read_depth(config, "num_hidden_layers")
    heads, head_width = heads_of(config, width, "num_attention_heads", default=32)
    kv_heads = kv_heads_of(config, heads, default=8)
    crossing = config.numbers("cross_attention_layers")
    if config.data.get("cross_attention_layers") is None:
        crossing = [3, 8, 13, 18, 23, 28, 33, 38]
    config.require(
        all(index < depth for index in crossing), f"cross_attention_layers: must be layers of the {depth} layers"
    )
    block = FeedForward(inner_width=config.integer("intermediate_size", default=14336), gated=True)
    plain = Layer(mixer=Attention(heads=heads, kv_heads=kv_heads, head_width=head_width), feed_forward=block)
    crossed = Layer(
        mixer=CrossAttention(heads=heads, kv_heads=kv_heads, head_width=head_width),
        feed_forward=block,
        also=(Norm(extent=head_width, copies=2), Norm(extent=1, copies=2)),  # of queries and keys; gates of both blocks
    )
    return Architecture(
        width=width,
        layers=tuple(crossed if index in crossing else plain for index in range(depth)),
        vocabulary=config.integer("vocab_size", default=128256),
        tied=False,
        extras=(Table(rows=_IMAGE_ROWS, columns=width),),
    )


def _moshi(config: Config) -> Architecture:
    """Read the text decoder of Moshi."""
    read_class(config, ["MoshiForCausalLM"])
    config.skip("max_position_embeddings", "audio_vocab_size", "num_codebooks", "audio_encoder_config")
    config.skip("depth_decoder_config", "tie_word_embeddings")  # the LM head is never tied
    width, depth = config.integer("hidden_size", default=4096), read_depth(config, "num_hidden_layers")
    heads = config.integer("num_attention_heads", default=32)
    inner = config.integer("ffn_dim", default=22528)
    config.require(inner % 2 == 0, f"ffn_dim: must be even in this family; got {inner}")
    mixer = Attention(
        heads=heads,
        kv_heads=kv_heads_of(config, heads),
        head_width=config.optional("head_dim") or max(width // heads, 1),
        window=config.optional("sliding_window", default=3000),
    )
    block = FeedForward(inner_width=max(inner // 2, 1), gated=True)
    return Architecture(
        width=width,
        layers=(Layer(mixer=mixer, feed_forward=block, count=depth),),
        vocabulary=config.integer("vocab_size", default=32000),
        tied=False,
        extras=(Table(rows=1, columns=width),),
    )


def _musicgen(config: Config, *, crosses: bool) -> Architecture:
    """Read a decoder of MusicGen: an embedding and a head for each codebook, fixed positions."""
    prefix = "Musicgen" if crosses else "MusicgenMelody"
    name = read_class(config, [f"{prefix}ForCausalLM", f"{prefix}Model", f"{prefix}Decoder"])
    config.skip("max_position_embeddings", "audio_channels")
    tied = config.flag("tie_word_embeddings", default=False)
    config.require(not tied, "tie_word_embeddings: only false is known of this family")
    width = config.integer("hidden_size", "d_model", default=1024)
    depth = read_depth(config, "num_hidden_layers")
    heads, head_width = heads_of(config, width, "num_attention_heads", default=16)
    vocabulary = config.integer("vocab_size", default=2048)
    codebooks = config.integer("num_codebooks", default=4)
    config.require(codebooks <= 1000, f"num_codebooks: at most 1,000 are read; got {codebooks:,}")
    also: tuple[Block, ...] = (CrossAttention(heads=heads, kv_heads=heads, head_width=head_width),) if crosses else ()
    layer = Layer(
        mixer=Attention(heads=heads, kv_heads=heads, head_width=head_width),
        also=also,
        feed_forward=FeedForward(inner_width=config.integer("ffn_dim", default=4096), gated=False),
        norms=2 + len(also),
        norm_bias=True,
        count=depth,
    )
    head = Linear(inputs=width, outputs=vocabulary, belongs_to="head")
    predicts = name.endswith("ForCausalLM")
    return Architecture(
        width=width,
        layers=(layer,),
        vocabulary=vocabulary,
        tied=False,
        head=predicts,
        norm_bias=True,
        extras=(
            Table(rows=codebooks * (vocabulary + 1) - vocabulary, columns=width),
            *[head] * (min(codebooks, 1000) - 1 if predicts else 0),
        ),
    )


READERS: dict[str, Reader] = {
    "mllama_text_model": _mllama,
    "moshi": _moshi,
    "musicgen_decoder": lambda config: _musicgen(config, crosses=True),
    "musicgen_melody_decoder": lambda config: _musicgen(config, crosses=False),
}
"""Readers by the `model_type` of a config."""

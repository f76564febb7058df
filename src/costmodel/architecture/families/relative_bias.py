"""Encoder-decoders of the layout of T5: tables of relative positions, no biases.

Defaults are those of the configuration classes in Hugging Face transformers 5.24. Source and target have the same
number of tokens.
"""

from typing import NamedTuple

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.block import Block
from costmodel.architecture.blocks.experts import Experts
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.pieces import Norm, Table
from costmodel.architecture.families.classes import count_labels, read_class
from costmodel.architecture.families.masked_language import dense
from costmodel.architecture.families.reading import Reader, read_depth
from costmodel.architecture.families.sequence_to_sequence import cross_attention
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer, Stack

_GENERATES = "ForConditionalGeneration"
_HEADED = ("ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering")


class Relative(NamedTuple):
    """A family of the layout of T5: the defaults of its config, and what differs."""

    prefix: str
    vocabulary: int = 32128
    width: int = 512
    layers: int = 6
    heads: int = 8
    inner: int = 2048
    activation: str = "relu"
    endings: tuple[str, ...] = ("Model", _GENERATES, "EncoderModel", *_HEADED)
    """Endings of the names of its classes."""
    table_per_layer: bool = False
    """Whether every layer has a table of relative positions, not only the first."""


FAMILIES: dict[str, Relative] = {
    "t5": Relative("T5", endings=("Model", _GENERATES, "EncoderModel", "WithLMHeadModel", *_HEADED)),
    "mt5": Relative("MT5", 250112, layers=8, heads=6, inner=1024, activation="gated-gelu"),
    "umt5": Relative("UMT5", 250112, layers=8, heads=6, inner=1024, activation="gated-gelu", table_per_layer=True),
    "longt5": Relative("LongT5", endings=("Model", _GENERATES, "EncoderModel")),
    "switch_transformers": Relative(
        "SwitchTransformers", width=768, layers=12, heads=12, endings=("Model", _GENERATES, "EncoderModel")
    ),
    "pop2piano": Relative("Pop2Piano", 2400, activation="gated-gelu", endings=(_GENERATES,)),
}
"""Families of the layout of T5 by `model_type`."""


def _gated(config: Config, family: Relative) -> bool:
    """Tell whether the feed-forward blocks are gated: `feed_forward_proj`, such as "gated-gelu"."""
    activation = config.value("feed_forward_proj") or family.activation
    parts = str(activation).split("-")
    config.require(
        len(parts) == 1 or (len(parts) == 2 and parts[0] == "gated"),
        f"feed_forward_proj: must be an activation or gated-activation; got {activation!r}",
    )
    gated = len(parts) == 2
    config.require(
        config.flag("is_gated_act", default=gated) == gated, "is_gated_act: must agree with feed_forward_proj"
    )
    return gated


def _relative(config: Config, family: Relative) -> Architecture:
    ending = read_class(config, [family.prefix + ending for ending in family.endings]).removeprefix(family.prefix)
    config.skip("n_positions", "relative_attention_max_distance")
    width, heads = config.integer("d_model", default=family.width), config.integer("num_heads", default=family.heads)
    mixer = Attention(heads=heads, kv_heads=heads, head_width=config.integer("d_kv", default=64), causal=False)
    block = FeedForward(inner_width=config.integer("d_ff", default=family.inner), gated=_gated(config, family))
    depth = read_depth(config, "num_layers", default=family.layers)
    decoder_depth = read_depth(config, "num_decoder_layers", default=depth)
    rows = config.integer("relative_attention_num_buckets", default=32)
    tables = [
        Table(rows=rows * (layers if family.table_per_layer else 1), columns=heads) for layers in (depth, decoder_depth)
    ]
    encoder = Layer(mixer=mixer, feed_forward=block, count=depth)
    decoder = Layer(
        mixer=mixer.replace(causal=True),
        also=(cross_attention(mixer),),
        feed_forward=block,
        norms=3,
        count=decoder_depth,
    )
    vocabulary = config.integer("vocab_size", default=family.vocabulary)
    tied = config.flag("tie_word_embeddings", default=True)
    scales = config.flag("scale_decoder_outputs", default=True)  # transformers 5 writes false for an own head
    head = _head(config, ending, width)
    if ending in ("EncoderModel", "ForTokenClassification"):
        return Architecture(
            width=width, layers=(encoder,), vocabulary=vocabulary, head=False, extras=(tables[0], *head)
        )
    return Architecture(
        width=width,
        layers=(decoder,),
        vocabulary=vocabulary,
        tied=tied and scales,
        head=ending in (_GENERATES, "WithLMHeadModel"),
        extras=(tables[1], *head),
        stacks=(Stack(name="encoder", width=width, layers=(encoder,), extras=(tables[0], Norm(extent=width))),),
    )


def _head(config: Config, ending: str, width: int) -> list[Block]:
    """Return the classifier of a class."""
    if ending == "ForSequenceClassification":
        return [dense(width, 1), dense(width, 1, outputs=count_labels(config))]
    return [dense(width, outputs=count_labels(config))] if ending in _HEADED else []


def _with_encoder(read: Architecture, layers: tuple[Layer, ...], *extras: Block) -> Architecture:
    """Return an encoder-decoder, or an encoder alone, with other layers of the encoder."""
    if not read.stacks:
        return read.replace(layers=layers, extras=(*read.extras, *extras))
    stack = read.stacks[0]
    return read.replace(stacks=(stack.replace(layers=layers, extras=(*stack.extras, *extras)),))


def _longt5(config: Config) -> Architecture:
    """Read LongT5: blocks of local attention in the encoder, and with "transient-global" means of blocks as keys."""
    read = _relative(config, FAMILIES["longt5"])
    kind = config.value("encoder_attention_type") or "local"
    config.require(
        kind in ("local", "transient-global"),
        f"encoder_attention_type: must be local or transient-global; got {kind!r}",
    )
    reach = 3 * (config.integer("local_radius", default=127) + 1)
    config.skip("global_block_size")
    layer = read.stacks[0].layers[0] if read.stacks else read.layers[0]
    local = layer.replace(mixer=layer.mixer and layer.mixer.replace(window=reach))
    if kind == "local":
        return _with_encoder(read, (local,))
    heads = config.integer("num_heads", default=8)
    table = Table(rows=config.integer("relative_attention_num_buckets", default=32), columns=heads)
    return _with_encoder(read, (local.replace(norms=3),), table)


def _switch(config: Config) -> Architecture:
    """Read Switch Transformers: experts in every n-th layer, of which a token uses one."""
    family = FAMILIES["switch_transformers"]
    config.skip("expert_capacity", "add_router_probs", "num_sparse_decoder_layers", "decoder_sparse_step")
    read = _relative(config, family)
    config.require(config.flag("tie_word_embeddings", default=True), "tie_word_embeddings: only true is read here")
    experts = config.integer("num_experts", default=8)
    inner = config.integer("d_ff", default=family.inner)
    router_bias = config.flag("router_bias", default=False)
    block = Experts(experts=experts, top_k=1, inner_width=inner, gated=False, router_bias=router_bias)

    def sparse(layer: Layer, side: str) -> tuple[Layer, ...]:
        count = config.integer(f"num_sparse_{side}_layers", default=3, least=0)
        step = layer.count // count if count else layer.count
        given = config.integer(f"{side}_sparse_step", default=step, least=0)
        config.require(given == step, f"{side}_sparse_step: {given} is not layers / sparse layers ({step})")
        single = layer.replace(count=1)
        chosen = [step == 1 or (step > 0 and index % step == 1) for index in range(layer.count)]
        return tuple(single.replace(feed_forward=block) if experts else single for experts in chosen)

    if not read.stacks:
        return read.replace(layers=sparse(read.layers[0], "encoder"))
    with_experts = _with_encoder(read, sparse(read.stacks[0].layers[0], "encoder"))
    return with_experts.replace(layers=sparse(read.layers[0], "decoder"))


def _pop2piano(config: Config) -> Architecture:
    """Read Pop2Piano: T5 with an embedding of composers."""
    read = _relative(config, FAMILIES["pop2piano"])
    rows = config.integer("composer_vocab_size", default=21)
    return read.replace(tied=False, extras=(*read.extras, Table(rows=rows, columns=read.width)))


def _reads(name: str) -> Reader:
    return lambda config: _relative(config, FAMILIES[name])


READERS: dict[str, Reader] = {
    **{name: _reads(name) for name in FAMILIES},
    "longt5": _longt5,
    "switch_transformers": _switch,
    "pop2piano": _pop2piano,
}
"""Readers by the `model_type` of a config."""

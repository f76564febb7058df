"""Feed-forward blocks of mixtures of experts: which layers are dense, and the keys of the experts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from costmodel.architecture.blocks.experts import Experts
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.families.rotary import routed
from costmodel.architecture.sources.config import Config

DENSE, SPARSE = "dense", "sparse"
Blocks = list[FeedForward | Experts]


@dataclass(frozen=True, slots=True)
class Routing:
    """Keys of the routed and shared experts of a family, and their defaults.

    A default of None makes a key required.
    """

    experts: int | None = None
    """Default of the number of routed experts."""
    top_k: int | None = None
    """Default of the routed experts per token."""
    experts_keys: tuple[str, ...] = ("num_experts", "num_local_experts")
    top_k_keys: tuple[str, ...] = ("num_experts_per_tok",)
    inner_key: str = "moe_intermediate_size"
    dense_keys: tuple[str, ...] = ("intermediate_size",)
    """Keys of the inner width of dense layers; none for a family without them."""
    shared_key: str = ""
    """Key of the number of shared experts, each as wide as a routed one; "" for none."""
    shared: int | None = None
    """Default of the number of shared experts."""
    shared_width_key: str = ""
    """Key of the inner width of all shared experts, in place of `shared_key`; 0 for none."""
    shared_gate: bool = False
    router_bias: bool = False
    bias: bool = False
    """Whether the layers of the routed experts have biases."""
    mlp_bias_key: str = ""
    """Key of the biases of dense layers and shared experts; "" for none."""
    listed: bool = True
    """Whether `mlp_layer_types` tells which layers are dense."""
    first_key: str = "first_k_dense_replace"
    first: int = 0
    """Default of the number of dense layers before the routed ones."""
    dense_layers: Callable[[Config, int], Sequence[bool]] | None = None
    """Which layers are dense, in place of `first_key`."""
    period_key: str = ""
    """Key of the period of routed layers among the later ones, or of a list of 0 and 1 for all layers."""
    inner_of_shared_key: str = ""
    """Key of the inner width of one shared expert; "" for that of a routed one."""
    groups: bool = False
    """Whether the groups at `group_key`, and `topk_group` of them, limit the routing."""
    group_key: str = "n_group"
    group_defaults: tuple[int, int] = (1, 1)
    """Defaults of the groups and of those that a token may be routed to."""
    inner: int | None = None
    """Default of the inner width of a routed expert."""
    dense: int | None = None
    """Default of the inner width of a dense layer."""


def blocks_of(config: Config, routing: Routing, depth: int) -> Blocks:
    """Return the feed-forward block of each layer."""
    is_dense = _dense_layers(config, routing, depth)
    bias = config.flag(routing.mlp_bias_key, default=False) if routing.mlp_bias_key else False
    block = experts_of(config, routing, bias)
    if not routing.dense_keys or not any(is_dense):
        config.skip(*routing.dense_keys)
        config.require(not any(is_dense), "mlp_layer_types: dense layers are not known for this model_type")
        return [block] * depth
    dense = FeedForward(inner_width=config.integer(*routing.dense_keys, default=routing.dense), gated=True, bias=bias)
    return [dense if chosen else block for chosen in is_dense]


def experts_of(config: Config, routing: Routing, bias: bool = False) -> Experts:
    """Return the block of routed and shared experts; `bias` is that of the shared ones."""
    count = config.integer(*routing.experts_keys, default=routing.experts)
    top_k = _top_k(config, routing, count)
    inner = config.integer(routing.inner_key, default=routing.inner)
    shared = 0
    if routing.shared_key:
        width = config.integer(routing.inner_of_shared_key, default=inner) if routing.inner_of_shared_key else inner
        shared = width * config.integer(routing.shared_key, default=routing.shared, least=0)
    elif routing.shared_width_key:
        shared = config.integer(routing.shared_width_key, default=routing.shared, least=0)
    groups = config.integer(routing.group_key, default=routing.group_defaults[0]) if routing.groups else 1
    top_groups = config.integer("topk_group", default=routing.group_defaults[1]) if routing.groups else 1
    return routed(
        config,
        count,
        top_k,
        inner,
        bias=routing.bias,
        router_bias=routing.router_bias,
        shared=FeedForward(inner_width=shared, gated=True, bias=bias) if shared else None,
        shared_gate=routing.shared_gate and shared > 0,
        groups=groups,
        top_groups=min(top_groups, groups),
    )


def _top_k(config: Config, routing: Routing, experts: int) -> int:
    """Return the routed experts per token: all of them if the config says null, the default if it says nothing."""
    null = any(key in config.data and config.data[key] is None for key in routing.top_k_keys)
    return config.integer(*routing.top_k_keys, default=experts if null else routing.top_k)


def _dense_layers(config: Config, routing: Routing, depth: int) -> Sequence[bool]:
    listed = config.names("mlp_layer_types", depth, (DENSE, SPARSE)) if routing.listed else None
    if listed is not None:
        config.skip(routing.first_key, routing.period_key)
        return [kind == DENSE for kind in listed]
    if routing.dense_layers is not None:
        return routing.dense_layers(config, depth)
    first = config.integer(routing.first_key, default=routing.first, least=0) if routing.first_key else routing.first
    if not routing.period_key:
        return [index < first for index in range(depth)]
    if isinstance(config.data.get(routing.period_key), list):
        listed_dense = dense_by_frequency(config, depth, first)
        return [index < first or dense for index, dense in enumerate(listed_dense)]
    period = config.integer(routing.period_key, default=1)
    return [index < first or index % period != 0 for index in range(depth)]


def dense_between(config: Config, depth: int, *, only: tuple[int, ...] = ()) -> list[bool]:
    """Return which layers are dense: those of `mlp_only_layers`, and all but every `decoder_sparse_step`-th."""
    step, given = config.integer("decoder_sparse_step", default=1), config.numbers("mlp_only_layers")
    chosen = given if config.data.get("mlp_only_layers") is not None else only
    return [index in chosen or (index + 1) % step != 0 for index in range(depth)]


def dense_by_frequency(config: Config, depth: int, first: int) -> list[bool]:
    """Return which layers are dense: those with a 0 in `moe_layer_freq`; without it the `first` ones."""
    if not isinstance(config.data.get("moe_layer_freq"), list):
        return [index < first for index in range(depth)]
    listed = config.numbers("moe_layer_freq")
    config.require(len(listed) == depth, f"moe_layer_freq: must list {depth} of 0 and 1; got {len(listed)}")
    return [not number for number in listed] if len(listed) == depth else [False] * depth

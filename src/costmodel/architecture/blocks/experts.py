"""Mixture of experts: a router sends each token to `top_k` routed experts; shared experts process every token."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from costmodel.architecture.blocks.block import KIND, Block, Operation, Sharding, Weight, linear, product
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.foundation.fields import Dimension

Number = Annotated[int, Field(ge=0, le=10**9)]


class Experts(Block):
    """Routed experts, and a block of shared experts that every token uses.

    References
    ----------
    Fedus et al. 2021 (arXiv 2101.03961); Dai et al. 2024, "DeepSeekMoE" (arXiv 2401.06066).
    """

    part_name: ClassVar[str] = "experts"
    kind: Literal["experts"] = Field(default="experts", description=KIND)
    experts: Dimension = Field(description="Routed experts (`num_experts`, `n_routed_experts`).")
    top_k: Dimension = Field(description="Routed experts used per token (`num_experts_per_tok`), at most `experts`.")
    inner_width: Dimension = Field(description="Inner width of a routed expert (`moe_intermediate_size`).")
    gated: bool = Field(
        default=True, description="Whether the activation is gated, as in SwiGLU: three matrices instead of two."
    )
    bias: bool = Field(default=False, description="Whether the linear layers of the routed experts have a bias.")
    router_bias: bool = Field(default=False, description="Whether the router has a bias.")
    zero_experts: Number = Field(
        default=0,
        description="Experts without weights among which the router also chooses, and which pass their token through "
        "(`zero_expert_num`).",
    )
    router_width: Dimension | None = Field(
        default=None, description="Width of the input of the router; default: the hidden size."
    )
    latent_width: Dimension | None = Field(
        default=None,
        description="Width to which tokens are projected for the routed experts (`moe_latent_size`); default: no "
        "projection.",
    )
    groups: Dimension = Field(
        default=1, description="Groups of routed experts with equal numbers (`n_group`): group-limited routing."
    )
    top_groups: Dimension = Field(
        default=1, description="Groups to which a token may be routed (`topk_group`), at most `groups`."
    )
    shared: FeedForward | None = Field(
        default=None, description="Shared experts, which every token uses, as one feed-forward block; default: none."
    )
    shared_gate: bool = Field(
        default=False, description="Whether a learned gate scales the output of the shared experts."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.top_k > self.experts + self.zero_experts:
            raise ValueError(f"top_k ({self.top_k}) is at most the number of experts ({self.experts})")
        if self.top_groups > self.groups:
            raise ValueError(f"top_groups ({self.top_groups}) is at most the number of groups ({self.groups})")
        return self

    @property
    def _routes(self) -> int:
        """Outputs of the router."""
        return self.experts + self.zero_experts

    def sharding(self) -> Sharding:
        return Sharding(experts=self.experts, top_k=self.top_k, groups=self.groups, top_groups=self.top_groups)

    def weights(self, width: int) -> list[Weight]:
        expert = FeedForward(inner_width=self.inner_width, gated=self.gated, bias=self.bias)
        router = [
            weight._replace(role="router")
            for weight in linear(
                "router", self.router_width or width, self._routes, bias=self.router_bias, split="replicated"
            )
        ]
        routed = [
            weight._replace(
                name=f"expert_{weight.name}", role="expert", copies=self.experts, active=self.top_k / self._routes
            )
            for weight in expert.weights(self.latent_width or width)
        ]
        listed = [*router, *routed]
        if self.latent_width is not None:
            listed += linear("latent_down", width, self.latent_width, split="replicated")
            listed += linear("latent_up", self.latent_width, width, split="replicated")
        if self.shared is not None:
            listed += [weight._replace(name=f"shared_{weight.name}") for weight in self.shared.weights(width)]
        if self.shared_gate:
            listed += linear("shared_gate", width, 1, split="replicated")
        return listed

    def operations(self, width: int, tokens: float, context: float) -> list[Operation]:
        rows = tokens * self.top_k / self._routes
        expert = FeedForward(inner_width=self.inner_width, gated=self.gated)
        listed = [product("router", tokens, self.router_width or width, self._routes)]
        listed += [
            operation._replace(name=f"expert_{operation.name}", copies=self.experts)
            for operation in expert.operations(self.latent_width or width, rows, context)
        ]
        if self.latent_width is not None:
            listed.append(product("latent_down", tokens, width, self.latent_width))
            listed.append(product("latent_up", tokens, self.latent_width, width))
        if self.shared is not None:
            listed += [
                operation._replace(name=f"shared_{operation.name}")
                for operation in self.shared.operations(width, tokens, context)
            ]
        if self.shared_gate:
            listed.append(product("shared_gate", tokens, width, 1))
        return listed

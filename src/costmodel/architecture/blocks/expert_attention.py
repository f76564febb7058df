"""Mixture of attention heads: experts project queries and outputs, keys and values are shared."""

from typing import ClassVar, Literal

from pydantic import Field

from costmodel.architecture.blocks.block import KIND, Operation, Sharding, Weight, linear, product
from costmodel.architecture.blocks.heads import HeadBlock
from costmodel.foundation.fields import Dimension


class ExpertAttention(HeadBlock):
    """Attention of JetMoE: each of `top_k` experts of a token has as many query heads as there are key heads.

    References
    ----------
    Shen et al. 2024, "JetMoE", section 3.1 (arXiv 2404.07413).
    """

    part_name: ClassVar[str] = "attention"
    attends: ClassVar[bool] = True
    kind: Literal["expert_attention"] = Field(default="expert_attention", description=KIND)
    experts: Dimension = Field(description="Experts, each with a query and an output projection.")
    top_k: Dimension = Field(description="Experts used per token (`num_experts_per_tok`), at most `experts`.")

    def sharding(self) -> Sharding:
        return Sharding(self.heads)

    def weights(self, width: int) -> list[Weight]:
        inner, share = self.heads * self.head_width, self.top_k / self.experts
        return [
            *(
                weight._replace(role="router")
                for weight in linear("attention_router", width, self.experts, split="replicated")
            ),
            Weight("expert_query", (width, inner), copies=self.experts, active=share, split="columns"),
            Weight("expert_output", (inner, width), copies=self.experts, active=share, split="rows"),
            Weight("output_bias", (width,), "bias"),
            *linear("key", width, inner, split="columns"),
            *linear("value", width, inner, split="columns"),
        ]

    def operations(self, width: int, tokens: float, context: float) -> list[Operation]:
        inner, rows = self.heads * self.head_width, tokens * self.top_k / self.experts
        shape = (tokens, context, self.head_width, self.heads * self.top_k, True)
        return [
            product("attention_router", tokens, width, self.experts),
            product("expert_query", rows, width, inner, self.experts),
            product("key", tokens, width, inner),
            product("value", tokens, width, inner),
            Operation("score", "score", *shape),
            Operation("attend", "value", *shape),
            product("expert_output", rows, inner, width, self.experts),
        ]

    def cache(self, context: int) -> float:
        return 2.0 * self.heads * self.head_width * context

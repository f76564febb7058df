"""Speculative decoding and multi-token prediction with a given acceptance rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from costmodel.foundation.errors import InputError
from costmodel.serving.step.timing import prompt_time, step_time

if TYPE_CHECKING:
    from costmodel.foundation.arrays import FloatLike
    from costmodel.serving.step.replica import Hardware
    from costmodel.serving.step.timing import Constants
    from costmodel.serving.step.work import Work


class Speculation(NamedTuple):
    """Tokens that a draft proposes per step, and how many of them the model accepts."""

    draft_tokens: int
    """Tokens that are proposed per sequence and step [token]."""
    acceptance: float
    """Probability that a proposed token is accepted, given that all before it are [1]."""
    draft_time: float
    """Time to propose a token, over the time of a decode step [1]; a layer of multi-token prediction takes about
    1 / layers."""

    def check(self) -> None:
        """Raise `InputError` with all problems."""
        problems = []
        if isinstance(self.draft_tokens, bool) or not isinstance(self.draft_tokens, int) or self.draft_tokens < 1:
            problems.append(f"draft_tokens: must be a whole number, at least 1; got {self.draft_tokens!r}")
        if not 0 < self.acceptance < 1:
            problems.append(f"acceptance: must be between 0 and 1; got {self.acceptance!r}")
        if not 0 <= self.draft_time < 1:
            problems.append(f"draft_time: must be at least 0 and below 1; got {self.draft_time!r}")
        if problems:
            raise InputError(problems)

    @property
    def tokens_per_step(self) -> float:
        """Mean output tokens of a sequence per step [token].

        Examples
        --------
        >>> Speculation(1, 0.8, 0.02).tokens_per_step, Speculation(3, 0.5, 0.1).tokens_per_step
        (1.8, 1.875)
        """
        return sum(self.acceptance**position for position in range(self.draft_tokens + 1))


def speculative_time_per_token(
    work: Work, hardware: Hardware, constants: Constants, speculation: Speculation, batch: FloatLike
) -> FloatLike:
    """Return the mean time per output token of a request with speculative decoding, prompts included [s].

    A step verifies the proposed tokens at once: products and experts are those of `draft_tokens` + 1 tokens per
    sequence, the cache is read once, and the host handles each sequence once. Proposing takes its share of a step.

    Parameters
    ----------
    work : Work
        Bytes and FLOPs of the replica.
    hardware : Hardware
        Rates of one accelerator.
    constants : Constants
        Fitted constants.
    speculation : Speculation
        Proposed tokens and their acceptance.
    batch : float or NDArray
        Concurrent requests of the replica, shape (...) [1].

    References
    ----------
    Leviathan et al. 2022, "Fast Inference from Transformers via Speculative Decoding" (arXiv 2211.17192), equation 1.
    """
    speculation.check()
    verified = speculation.draft_tokens + 1
    shared = work._replace(cache_bytes=work.cache_bytes / verified, state_bytes=work.state_bytes / verified)
    hosted = constants._replace(sequence=constants.sequence / verified)
    verification = step_time(shared, hardware, hosted, batch * verified).total
    drafts = speculation.draft_tokens * speculation.draft_time * step_time(work, hardware, constants, batch).total
    prompts = batch / work.output_tokens * prompt_time(work, hardware, constants)
    return (verification + drafts) / speculation.tokens_per_step + prompts

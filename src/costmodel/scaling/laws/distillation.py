"""Distillation: training compute of a student, and the scaling laws of Busbridge et al.

No coefficients of the student's law are published in full; fit them on own runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.scaling.laws.broadcast import NOT_NEGATIVE, power
from costmodel.scaling.laws.hoffmann import Allocation, HoffmannLaw, TwoTermLaw
from costmodel.scaling.laws.law import COMPUTE, PARAMETERS, TOKENS, Argument, Law, constant, law, takes

if TYPE_CHECKING:
    from costmodel.foundation.arrays import FloatLike, M, N


@law('Busbridge et al. 2025, "Distillation Scaling Laws" (arXiv 2502.08606).')
class BusbridgeLaw(TwoTermLaw):
    """Loss E + (A / N^alpha + B / D^beta)^gamma of a model trained on text without a teacher.

    Examples
    --------
    >>> from costmodel.scaling.laws.presets import scaling_law
    >>> round(scaling_law("busbridge-2025-supervised").loss(1e9, 20e9), 3)
    2.375
    """

    gamma: float = constant("Exponent of the sum of both terms [1].")

    @takes(parameters=PARAMETERS, tokens=TOKENS)
    def loss(self, parameters: N, tokens: M) -> N | M:
        """Return the loss [nat/token], of the broadcast shape."""
        inner = self.A / power(parameters, self.alpha) + self.B / power(tokens, self.beta)
        return self.E + power(inner, self.gamma)

    @takes(compute=COMPUTE)
    def allocate(self, compute: N) -> Allocation[N]:
        """Return the parameters and tokens of the lowest loss with 6 N D = `compute`."""
        best = HoffmannLaw(0.0, self.A, self.B, self.alpha, self.beta).allocate(compute)
        return best._replace(loss=self.loss(best.parameters, best.tokens))


@law('Busbridge et al. 2025, "Distillation Scaling Laws", equation 8 (arXiv 2502.08606).')
class StudentLaw(Law):
    """Loss of a student model from its teacher's loss, its own supervised loss, its parameters and its tokens.

    With the teacher's loss L_T and the loss L~ of the same student trained without a teacher, it is
    L_T + L_T^-c0 (1 + (L_T / (d1 L~))^(1/f1))^(-c1 f1) (A / N^alpha + B / D^beta)^gamma.
    """

    c0: float = constant("Exponent of the teacher's loss [1].")
    c1: float = constant("Exponent of the gap between teacher and student beyond the transition [1].")
    d1: float = constant("Ratio of the teacher's to the student's loss at the transition [1].")
    f1: float = constant("Width of the transition [1].")
    A: float = constant("Scale of the parameter term.")
    B: float = constant("Scale of the token term.")
    alpha: float = constant("Exponent of the parameters [1].")
    beta: float = constant("Exponent of the tokens [1].")
    gamma: float = constant("Exponent of the sum of both terms [1].")

    @takes(
        parameters=Argument("Parameters of the student N [1]."),
        tokens=Argument("Training tokens of the student D [token]."),
        teacher_loss=Argument("Loss of the teacher [nat/token]."),
        supervised_loss=Argument("Loss of the same student trained without a teacher [nat/token]."),
    )
    def loss(self, parameters: N, tokens: N, *, teacher_loss: N, supervised_loss: N) -> N:
        """Return the loss of the student [nat/token], of the broadcast shape."""
        ratio = teacher_loss / (self.d1 * supervised_loss)
        gap = power(1 + power(ratio, 1 / self.f1), -self.c1 * self.f1)
        inner = self.A / power(parameters, self.alpha) + self.B / power(tokens, self.beta)
        return teacher_loss + gap * power(inner, self.gamma) / power(teacher_loss, self.c0)


@takes(
    student_flops=Argument("Forward FLOPs of the student per token F_S [FLOP/token]."),
    student_tokens=Argument("Training tokens of the student D_S [token]."),
    teacher_flops=Argument("Forward FLOPs of the teacher per token F_T [FLOP/token]."),
    teacher_tokens=Argument("Training tokens of the teacher D_T [token].", NOT_NEGATIVE),
    teacher_logits=Argument("Whether to include the teacher's forward passes over D_S (d_logits).", None, "bool"),
    teacher_training=Argument("Whether to include the training of the teacher (d_training).", None, "bool"),
)
def distillation_flops(
    student_flops: FloatLike,
    student_tokens: FloatLike,
    teacher_flops: FloatLike,
    teacher_tokens: FloatLike = 0.0,
    *,
    teacher_logits: bool = True,
    teacher_training: bool = False,
) -> FloatLike:
    """Return the FLOPs of distillation: student training, and teacher logits and teacher training if included [FLOP].

    The sum is 3 F_S D_S + F_T (d_logits D_S + 3 d_training D_T).

    References
    ----------
    Busbridge et al. 2025, "Distillation Scaling Laws", equation 9 (arXiv 2502.08606).

    Examples
    --------
    >>> f"{distillation_flops(2e9, 100e9, 14e9, 1e12, teacher_training=True):.1e}"
    '4.4e+22'
    """
    scored = teacher_logits * student_tokens + 3 * teacher_training * teacher_tokens
    return 3 * student_flops * student_tokens + teacher_flops * scored

"""Does a student pay that learns from a teacher? The compute of distillation, and the laws of Busbridge et al.

Coefficients of the student's law are for own fits: none is shipped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from costmodel.scaling.laws.broadcast import NOT_NEGATIVE, POSITIVE, check_coefficients, checked, positive
from costmodel.scaling.laws.hoffmann import Allocation, HoffmannLaw


@dataclass(frozen=True, slots=True)
class BusbridgeLaw:
    """Loss E + (A / N^alpha + B / D^beta)^gamma of a model that learns from text alone.

    References
    ----------
    Busbridge et al. 2025, "Distillation Scaling Laws" (arXiv 2502.08606).

    Examples
    --------
    >>> from costmodel.scaling.laws.presets import scaling_law
    >>> round(scaling_law("busbridge-2025-supervised").loss(1e9, 20e9), 3)
    2.375
    """

    E: float
    A: float
    B: float
    alpha: float
    beta: float
    gamma: float
    name: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        check_coefficients(self, E=NOT_NEGATIVE, **dict.fromkeys(("A", "B", "alpha", "beta", "gamma"), POSITIVE))

    def loss(self, parameters: Any, tokens: Any) -> Any:
        """Return the loss [nat/token], of the broadcast shape.

        Parameters
        ----------
        parameters : N [1], shape (...)
        tokens : D [token], shape (...)

        Raises
        ------
        InputError
            If a value is not above 0 and finite.
        """
        parameters, tokens = positive(parameters=parameters, tokens=tokens)
        inner: Any = self.A / parameters**self.alpha + self.B / tokens**self.beta
        return self.E + inner**self.gamma

    def allocate(self, compute: Any) -> Allocation:
        """Return the parameters and tokens of the least loss with 6 N D = `compute`.

        Parameters
        ----------
        compute : FLOPs of training [FLOP], shape (...)

        Raises
        ------
        InputError
            If a value is not above 0 and finite.
        """
        (compute,) = positive(compute=compute)
        best = HoffmannLaw(0.0, self.A, self.B, self.alpha, self.beta).allocate(compute)
        return best._replace(loss=self.loss(best.parameters, best.tokens))


@dataclass(frozen=True, slots=True)
class StudentLaw:
    """Loss of a student, from that of its teacher, its own if supervised, its parameters and its tokens.

    With L_T the teacher's loss and L~ that of the same student without a teacher, it is
    L_T + L_T^-c0 (1 + (L_T / (d1 L~))^(1/f1))^(-c1 f1) (A / N^alpha + B / D^beta)^gamma.

    References
    ----------
    Busbridge et al. 2025, "Distillation Scaling Laws", equation 8 (arXiv 2502.08606).
    """

    c0: float
    c1: float
    d1: float
    f1: float
    A: float
    B: float
    alpha: float
    beta: float
    gamma: float
    name: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        coefficients = ("c0", "c1", "d1", "f1", "A", "B", "alpha", "beta", "gamma")
        check_coefficients(self, **dict.fromkeys(coefficients, POSITIVE))

    def loss(self, parameters: Any, tokens: Any, *, teacher_loss: Any, supervised_loss: Any) -> Any:
        """Return the loss of the student [nat/token], of the broadcast shape.

        Parameters
        ----------
        parameters : of the student N [1], shape (...)
        tokens : that the student reads D [token], shape (...)
        teacher_loss : [nat/token], shape (...)
        supervised_loss : of the same student without a teacher [nat/token], shape (...)

        Raises
        ------
        InputError
            If a value is not above 0 and finite.
        """
        parameters, tokens, teacher, supervised = positive(
            parameters=parameters, tokens=tokens, teacher_loss=teacher_loss, supervised_loss=supervised_loss
        )
        gap: Any = (1 + (teacher / (self.d1 * supervised)) ** (1 / self.f1)) ** (-self.c1 * self.f1)
        inner: Any = self.A / parameters**self.alpha + self.B / tokens**self.beta
        return teacher + gap * inner**self.gamma / teacher**self.c0


def distillation_flops(
    student_flops: Any,
    student_tokens: Any,
    teacher_flops: Any,
    teacher_tokens: Any = 0.0,
    *,
    teacher_logits: bool = True,
    teacher_training: bool = False,
) -> Any:
    """Return the FLOPs of a student: its training, and the teacher's reading and training if they count [FLOP].

    The sum is 3 F_S D_S + F_T (d_logits D_S + 3 d_training D_T).

    Parameters
    ----------
    student_flops, teacher_flops : forward FLOPs of a token F_S, F_T [FLOP/token], shape (...)
    student_tokens : that the student reads D_S [token], shape (...)
    teacher_tokens : that the teacher was trained on D_T [token], shape (...)
    teacher_logits : whether the teacher reads the student's tokens for this student
    teacher_training : whether the teacher is trained for this student

    Raises
    ------
    InputError
        With all values that are negative or not finite.

    References
    ----------
    Busbridge et al. 2025, "Distillation Scaling Laws", equation 9 (arXiv 2502.08606).

    Examples
    --------
    >>> f"{distillation_flops(2e9, 100e9, 14e9, 1e12, teacher_training=True):.1e}"
    '4.4e+22'
    """
    student, read, teacher, trained = checked(
        ("student_flops", student_flops, POSITIVE),
        ("student_tokens", student_tokens, POSITIVE),
        ("teacher_flops", teacher_flops, POSITIVE),
        ("teacher_tokens", teacher_tokens, NOT_NEGATIVE),
    )
    return 3 * student * read + teacher * (teacher_logits * read + 3 * teacher_training * trained)

"""Typed access to the keys of a `config.json`; unread keys and all problems are reported at once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from costmodel.foundation.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

_LARGEST = 10**9
_INERT = re.compile(
    r"dropout|_pdrop|(?:^|_)act(?:ivation)?(?:$|_)|activation|_eps(?:ilon)?$|initializer|init_std|token_id|rope|"
    r"rotary|^_|dtype|version|cache|^summary|output_|return_|loss|aux|jitter|torch|quantization|"
    r"position_embedding|router_(?:aux|z|jitter)|softcapping|scal(?:ar|ing|e)|norm_topk|n_group|topk_group|"
    r"topk_method|scoring_func|seq_aux|ep_size|pretraining_tp|chunk_size|gradient_checkpointing|"
    r"is_llama_config|classifier|problem_type|use_parallel_residual|parallel_residual|layerdrop|"
    r"_class|architectures|auto_map|label|task_specific|prefix|^model_type$|clip_qkv|swiglu_limit|"
    r"transformers|attention_sink_size|context_window_size|sliding_window_size|initial_context_length|"
    r"hidden_act|partial_|original_max_position|is_decoder|is_encoder_decoder|torchscript|attn_implementation|"
    r"scale_attn|generation|flash|fused|tensor_parallel|noise|reorder_and_upcast|tokenizer|pad_to|padding_idx|layer_norm_elementwise|bf16|fp16|fp32"
)
_SHAPING = re.compile(
    r"size|dim|rank|width|head|layer|expert|window|lora|inner|ffn|hidden|tie|bias|norm|vocab|moe|mlp|attention|"
    r"attn|nextn|mtp|config|position|embd|embed|block|sparse|share|gate|pattern"
)


class Config:
    """The keys of a config, with all problems of reading them."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.data = data
        self.problems: list[str] = []
        self._read: set[str] = set()
        self._inside: list[tuple[str, Config]] = []

    def integer(self, *keys: str, default: int | None = None, least: int = 1) -> int:
        """Return the integer at the first of `keys` that the config has, or the default of the family."""
        value = self._first(keys)
        if value is None:
            if default is None:
                self.problems.append(f"{keys[0]}: is required and missing")
                return least
            return default
        whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        if isinstance(value, bool) or not whole or not least <= value <= _LARGEST:
            self.problems.append(f"{keys[0]}: must be a whole number from {least} to {_LARGEST:,}; got {_shown(value)}")
            return least
        return int(value)

    def optional(self, *keys: str, default: int | None = None) -> int | None:
        """Return the positive integer at the first of `keys`; null gives None, an absent key the default."""
        present = [key for key in keys if key in self.data]
        if not present:
            self._read.update(keys)
            return default
        return None if self._first(keys) is None else self.integer(*present)

    def flag(self, *keys: str, default: bool) -> bool:
        """Return the boolean at the first of `keys` that the config has, or the default."""
        value = self._first(keys)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.problems.append(f"{keys[0]}: must be true or false; got {_shown(value)}")
            return default
        return value

    def names(self, key: str, length: int, accepted: tuple[str, ...]) -> list[str] | None:
        """Return the list at `key`, `length` of the accepted names, or None if it is absent."""
        value = self._first((key,))
        if value is None:
            return None
        if not isinstance(value, list) or len(value) != length or not all(name in accepted for name in value):
            self.problems.append(f"{key}: must be a list of {length} out of {accepted}; got {_shown(value)}")
            return None
        return [str(name) for name in value]

    def numbers(self, key: str) -> list[int]:
        """Return the list of integers at `key`, empty if it is absent."""
        value = self._first((key,))
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(number, int) and number >= 0 for number in value):
            self.problems.append(f"{key}: must be a list of whole numbers; got {_shown(value)}")
            return []
        return value

    def value(self, key: str) -> Any:
        """Return the value at `key`, of any type, or None."""
        return self._first((key,))

    def inner(self, key: str) -> Config:
        """Return the nested config at `key`, empty if it is absent; its problems are reported too."""
        data = self._first((key,))
        if data is not None and not isinstance(data, dict):
            self.problems.append(f"{key}: must be an object; got {_shown(data)}")
        inside = Config(data if isinstance(data, dict) else {})
        self._inside.append((key, inside))
        return inside

    def changed(self, changes: Mapping[str, Any]) -> Config:
        """Return a config with some keys replaced, whose problems and read keys are those of this one."""
        other = Config({**self.data, **changes})
        other.problems, other._read, other._inside = self.problems, self._read, self._inside
        return other

    def skip(self, *keys: str) -> None:
        """Accept keys that change no count in this family."""
        self._read.update(keys)

    def require(self, holds: bool, problem: str) -> None:
        """Note a problem unless a condition `holds`."""
        if not holds:
            self.problems.append(problem)

    def shape(self) -> dict[str, Any]:
        """Return the keys that were read, and `model_type`."""
        return {key: value for key, value in self.data.items() if key in self._read or key == "model_type"}

    def unread(self) -> list[str]:
        """Return the keys that were not read and may change the counts."""
        return sorted(
            str(key)
            for key, value in self.data.items()
            if key not in self._read
            and value not in (None, False, 0, "", [], {})
            and _SHAPING.search(str(key))
            and not _INERT.search(str(key))
        )

    def finish(self) -> None:
        """Raise `InputError` with all problems, if there are any."""
        if problems := self.all_problems():
            raise InputError(problems)

    def all_problems(self) -> list[str]:
        """Return all problems; those of nested configs begin with the key of the config."""
        unread = [
            f"{key}: is not understood for this model_type and may change the counts; remove it if it does not"
            for key in self.unread()
        ]
        inside = [f"{key}.{problem}" for key, config in self._inside for problem in config.all_problems()]
        return list(dict.fromkeys([*self.problems, *unread, *inside]))

    def _first(self, keys: tuple[str, ...]) -> Any:
        self._read.update(keys)
        return next((self.data[key] for key in keys if self.data.get(key) is not None), None)


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."

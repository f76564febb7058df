"""Typed access to the keys of a trainer's file: which were read, which change no figure, and all problems."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_LARGEST = 10**15
_INERT = re.compile(
    r"_name_|.*_path|.*_dir|.*dir|.*folder.*|log.*|.*logging.*|.*_log|report_to|.*wandb.*|.*mlflow.*|comet.*|"
    r"swanlab.*|.*tensorboard.*|(?!.*modules_to_save).*save.*|saves_.*|save|load|.*eval.*|seed|.*_seed|random_state|data_seed|hub_.*|"
    r"push_to_hub|.*resume.*|.*learning_rate.*|lr.*|.*_lr|min_lr.*|warmup.*|.*_warmup.*|weight_decay.*|.*_decay|"
    r"adam_.*|.*beta[12]|.*epsilon|eps|max_grad_norm|.*clip.*|.*norm_eps.*|.*_eps|.*dropout.*|lora_alpha|alpha|"
    r"lora_fan_in_fan_out|lora_bias|bias|.*tokenizer.*|special_tokens|tokens|chat_template.*|template|"
    r"default_system_message|.*dataset.*|datasets|data_args|split|.*num_workers|.*num_proc|prefetch.*|"
    r"dataloader_.*|remove_unused_columns|overwrite.*|strict|trust_remote_code|.*revision.*|early_stopping.*|"
    r"debug|ddp_.*|local_rank|train_on_inputs|description|metric.*|.*profil.*|checkpoint|checkpointer|checkpoint_(?:dir|files|path)|callbacks|"
    r"cache_dir|hf_.*|use_fast_tokenizer|resize_vocab|plot_loss|do_train|do_predict|init_method_std|.*init_std|"
    r"loss_scale.*|.*scale_window|.*hysteresis|min_loss_scale|initial_.*|attention_dropout|hidden_dropout|"
    r"nproc_per_node|nnodes|node_rank|master_.*|rdzv_.*|distributed_backend|distributed_timeout.*|timing.*|"
    r"exit_.*|no_load_.*|override_.*|use_checkpoint.*|data_path|vocab_file|merge_file|num_machines|machine_rank|"
    r"main_.*|rdzv_backend|same_network|tpu_.*|use_cpu|downcast_bf16|compute_environment|.*_state_dict.*|"
    r"output|device|shuffle|_component_|model_type|wall_clock_breakdown|steps_per_print|.*bucket_size|"
    r".*auto_wrap.*|.*_wrap|.*persistence_threshold|.*max_live.*|.*max_reuse.*|.*use_orig_params|"
    r".*sync_module_states|.*ram_efficient.*|.*limit_all_gathers|.*backward_prefetch.*|.*forward_prefetch.*|"
    r".*use_reentrant|gradient_checkpointing_kwargs|zero_allow_untested_optimizer|contiguous_.*|sub_group_size|"
    r".*gather_16bit.*|round_robin_gradients|pin_memory|.*min_num_params|.*timeout|extra|run_name|"
    r"include_.*|auto_find_batch_size|disable_tqdm|use_hub_template|conversation_template|rope_theta|rotary_.*|"
    r"loss_watchdog_.*|unskip_.*|train_split.*|shuffle_.*|temperature|top_[kp]|reward_funcs|reward_weights|scale_rewards|"
    r"system_prompt|task|task_type|finetuned_from|merge_.*|no_masked_softmax_fusion|norm_epsilon|print_args|"
    r"enable_(?:color|wandb|tensorboard|checkpoint)|text_field|(?:eos|pad|bos)_token|use_swanlab|use_otel.*|otel_.*|export_.*|infer_backend|predict_with_generate|"
    r"cosine_.*|average_tokens_across_devices|low_cpu_mem_usage|prompt|max_new_tokens|num_labels|project|length_column_name|skip_memory_metrics|train_sampling_strategy|train_file|validation_file|preprocessing_.*"
)
"""Keys that change no figure, by their name: data, logging, saving, evaluation, schedules and numbers of the optimizer,
names, and addresses of machines."""
EMPTY: tuple[object, ...] = (None, False, "", [], {})
"""Values that set nothing."""


class Keys:
    """The keys of a file or of a part of it; parts share the list of problems.

    Parameters
    ----------
    data : Mapping
        Plain data of the file.
    prefix : str
        Dotted path of the part in the file.
    """

    def __init__(self, data: Mapping[str, object], prefix: str = "") -> None:
        self.data = {str(key): value for key, value in data.items()}
        self.prefix = prefix
        self.problems: list[str] = []
        self._read: dict[str, None] = {}
        self._skipped: set[str] = set()
        self._inside: dict[str, Keys] = {}

    def has(self, *names: str) -> bool:
        """Return whether one of the keys sets something."""
        return any(self.data.get(name) not in EMPTY for name in names)

    def value(self, *names: str) -> object:
        """Return the value of the first of the keys that is in the file and not null; None without."""
        for name in names:
            if name in self.data:
                self._read[name] = None
        return next((self.data[name] for name in names if self.data.get(name) is not None), None)

    def text(self, *names: str, default: str = "") -> str:
        """Return a text; a number is written out."""
        value = self.value(*names)
        if value is None:
            return default
        if isinstance(value, (str, int, float)) and not isinstance(value, bool):
            return str(value).strip()
        self._wrong(names, "a text", value)
        return default

    def number(self, *names: str) -> float | None:
        """Return a number; None if no key has one. "auto" counts as absent."""
        value = self.value(*names)
        if value is None or (isinstance(value, str) and value.strip().lower() in {"auto", "none", "null", ""}):
            return None
        try:
            number = float(value.replace("_", "").replace(",", "")) if isinstance(value, str) else value
        except ValueError:
            number = None
        if isinstance(number, bool) or not isinstance(number, (int, float)) or not abs(number) < _LARGEST:
            self._wrong(names, "a number", value)
            return None
        return float(number)

    def whole(self, *names: str, least: int = 1) -> int | None:
        """Return a whole number; None if no key has one. -1, which trainers write for "not set", counts as absent."""
        number = self.number(*names)
        if number is None or (number == -1 and least > -1):
            return None
        if number != int(number) or number < least:
            self._wrong(names, f"a whole number from {least}", self.value(*names))
            return None
        return int(number)

    def flag(self, *names: str, default: bool = False) -> bool:
        """Return whether a switch is on."""
        value = self.value(*names)
        if value is None:
            return default
        if isinstance(value, bool):
            return value
        words = {"true": True, "yes": True, "1": True, "on": True, "false": False, "no": False, "0": False, "": False}
        word = str(value).strip().lower()
        if word == "auto":
            return True
        if word not in words:
            self._wrong(names, "true or false", value)
            return default
        return words[word]

    def words(self, *names: str) -> tuple[str, ...]:
        """Return a list of words; a text is split at commas and spaces."""
        value = self.value(*names)
        if value is None or isinstance(value, bool):
            return ()
        if isinstance(value, str):
            return tuple(part for part in re.split(r"[,\s]+", value.strip("[] ")) if part)
        if isinstance(value, (list, tuple)) and all(isinstance(part, (str, int)) for part in value):
            return tuple(str(part) for part in value)
        self._wrong(names, "a list of names", value)
        return ()

    def inner(self, name: str) -> Keys:
        """Return the part at a key, empty if there is none."""
        if name not in self._inside:
            value = self.value(name)
            if value is not None and not isinstance(value, Mapping) and value not in EMPTY:
                self._wrong((name,), "a table of keys", value)
            part = value if isinstance(value, Mapping) else {}
            self._inside[name] = Keys(part, f"{self._path(name)}.")
            self._inside[name].problems = self.problems
        return self._inside[name]

    def skip(self, *names: str) -> None:
        """Mark keys that change no figure of this trainer."""
        self._skipped.update(names)

    def refuse(self, problem: str) -> None:
        """Note a problem."""
        self.problems.append(problem)

    def read(self) -> list[str]:
        """Return the keys that were read, as dotted paths."""
        own = [self._path(name) for name in self._read if name not in self._inside]
        return own + [path for part in self._inside.values() for path in part.read()]

    def ignored(self) -> list[str]:
        """Return the keys that were not read because they change no figure."""
        own = [self._path(name) for name in self._left() if not self._counts(name)]
        return own + [path for part in self._inside.values() for path in part.ignored()]

    def not_understood(self) -> list[str]:
        """Return the keys that were not read and may change the figures."""
        own = [self._path(name) for name in self._left() if self._counts(name)]
        return own + [path for part in self._inside.values() for path in part.not_understood()]

    def _left(self) -> Iterable[str]:
        return (name for name in self.data if name not in self._read)

    def _counts(self, name: str) -> bool:
        if name in self._skipped or self.data[name] in EMPTY:
            return False
        return _INERT.fullmatch(name) is None

    def _path(self, name: str) -> str:
        return f"{self.prefix}{name}"

    def _wrong(self, names: Iterable[str], accepted: str, value: object) -> None:
        name = next((name for name in names if self.data.get(name) is not None), "")
        shown = repr(value)
        shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
        problem = f"{self._path(name)}: must be {accepted}; got {shown}"
        if problem not in self.problems:
            self.problems.append(problem)

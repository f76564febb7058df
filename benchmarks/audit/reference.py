"""Parameter counts of the model classes of Hugging Face transformers, built on the meta device without weights."""

from __future__ import annotations

import importlib
import inspect
import logging
import re
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import transformers
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.models.auto import modeling_auto as auto
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.ibert.quant_modules import QuantEmbedding

if TYPE_CHECKING:
    from collections.abc import Iterator

logging.disable(logging.WARNING)
warnings.filterwarnings("ignore")

for _name in (name for name in dir(torch.nn.init) if name.endswith("_") and not name.startswith("_")):
    setattr(torch.nn.init, _name, lambda tensor, *_, **__: tensor)  # tensors on the meta device have no values

SOURCE = f"Hugging Face transformers {transformers.__version__}"
"""Program and version that the counts are taken from."""
MAPPINGS = (
    "MODEL_FOR_CAUSAL_LM_MAPPING",
    "MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING",
    "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING",
    "MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING",
    "MODEL_FOR_MULTIMODAL_LM_MAPPING",
    "MODEL_MAPPING",
    "MODEL_FOR_PRETRAINING_MAPPING",
)
"""Mappings of types to model classes; the first that has a type names its main class."""
TOP_K = re.compile(
    r"^(num_experts_per_tok|num_experts_per_token|experts_per_token|moe_k|moe_topk|top_k|top_k_experts|moe_top_k|num_selected_experts)$"
)
"""Keys with the number of routed experts per token."""
UNSAID_TOP_K = {"switch_transformers": 1, "nllb-moe": 2}
"""Experts per token of types whose config does not say it."""
_POSITIONS = re.compile(r"(?:^|\.)(?:pos_emb\w*|\w*position_embeddings?)$")
"""Learned positions that are no lookup table."""


class Counts(NamedTuple):
    """Numbers of parameters of a model class with a config."""

    total: int
    """All parameters, tied ones once."""
    active: int
    """Parameters used per token: routed experts × top_k / experts."""
    embedding: int
    """Parameters of lookup tables of tokens and token types, and of learned positions."""


def model_types() -> list[str]:
    """Return all `model_type`s."""
    return list(CONFIG_MAPPING.keys())


def default_config(model_type: str, **changes: Any) -> PreTrainedConfig:
    """Return the default config of a type with some keys changed."""
    return CONFIG_MAPPING[model_type](**changes)


def is_causal(config: PreTrainedConfig) -> bool:
    """Tell whether a type has a class for causal language models."""
    return type(config) in auto.MODEL_FOR_CAUSAL_LM_MAPPING


def main_class(config: PreTrainedConfig) -> type[PreTrainedModel] | None:
    """Return the main model class of a config, or None if there is none."""
    for name in MAPPINGS:
        mapping = getattr(auto, name)
        if type(config) in mapping:
            listed = mapping[type(config)]
            chosen: type[PreTrainedModel] = listed[0] if isinstance(listed, (list, tuple)) else listed
            if chosen.config_class is None or isinstance(config, chosen.config_class):
                return chosen
    return next(classes_of(config), None)


def classes_of(config: PreTrainedConfig) -> Iterator[type[PreTrainedModel]]:
    """Yield all public model classes of the module of a config whose config class is that of the config."""
    package = type(config).__module__.rsplit(".", 1)[0]
    file = type(config).__module__.rsplit(".", 1)[1].replace("configuration_", "modeling_")
    try:
        module = importlib.import_module(f"{package}.{file}")
    except ImportError:
        return
    for name, value in vars(module).items():
        is_model = inspect.isclass(value) and issubclass(value, PreTrainedModel)
        if is_model and getattr(value, "config_class", None) is type(config) and not name.endswith("PreTrainedModel"):
            yield value


def build(config: PreTrainedConfig, model_class: type[PreTrainedModel]) -> PreTrainedModel:
    """Return a model on the meta device."""
    with torch.device("meta"):
        return model_class(config)


def tensors_of(model: PreTrainedModel) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the distinct parameters of a model by name."""
    return {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}


def _top_k(config: PreTrainedConfig) -> int | None:
    if config.model_type in UNSAID_TOP_K:
        return UNSAID_TOP_K[config.model_type]
    values = [value for key, value in vars(config).items() if TOP_K.match(key) and isinstance(value, int)]
    values = [value for value in values if not isinstance(value, bool)]
    if values:
        return values[0]
    inner = [_top_k(value) for value in vars(config).values() if isinstance(value, PreTrainedConfig)]
    return next((value for value in inner if value), None)


def count(model: PreTrainedModel) -> Counts:
    """Count the parameters of a model."""
    total = active = 0.0
    for name, parameter in model.named_parameters():
        total += parameter.numel()
        active += parameter.numel() * _active_share(name, parameter, model.config)
    return Counts(int(total), round(active), sum(table.numel() for table in tables_of(model).values()))


def tables_of(model: PreTrainedModel) -> dict[int, torch.Tensor]:
    """Return the lookup tables and the learned positions of a model by identity."""
    modules = (module for module in model.modules() if isinstance(module, torch.nn.Embedding | QuantEmbedding))
    positions = (each for name, each in model.named_parameters() if _POSITIONS.search(name))
    return {id(table): table for table in (*(module.weight for module in modules), *positions)}


def _active_share(name: str, parameter: torch.Tensor, config: PreTrainedConfig) -> float:
    """Return the share of a tensor that a token uses: top_k / experts for routed experts, else 1."""
    single = re.search(r"(?:^|\.)experts\.expert_\d+\.", name)
    if "shared" in name or "router" in name or "gate.weight" in name or not (single or parameter.dim() > 1):
        return 1.0
    stated = next((vars(config)[key] for key in ("num_experts", "num_local_experts") if key in vars(config)), None)
    if single:
        experts = stated
    elif re.search(r"(?:^|\.)(?:experts|local_experts)\.", name):
        experts = parameter.shape[0]
    else:  # experts in one tensor beside other linear layers
        experts = stated if parameter.dim() == 3 and parameter.shape[0] == stated and "conv" not in name else None
    top_k = _top_k(config)
    return min(top_k / experts, 1.0) if experts and top_k else 1.0

"""Tensors of a config as Hugging Face transformers builds its model, without weights and without remote code.

The extra `hub` installs what this module imports. The model is built on the meta device of PyTorch, which holds shapes
and no numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from costmodel.architecture.sources.tensors import Tensor, TensorList
from costmodel.foundation.errors import InputError
from costmodel.foundation.limits import shown

FRAMEWORK = "transformers"
"""Name of the `family` that asks for this count."""
MAX_LAYERS = 1_000
"""Layers of a model that is built [1]."""
_AUTO_CLASSES = (
    "MODEL_FOR_CAUSAL_LM_MAPPING",
    "MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING",
    "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING",
    "MODEL_FOR_MASKED_LM_MAPPING",
    "MODEL_MAPPING",
)
"""Tables of classes, by which a config without a known class in `architectures` finds its own."""
_LEFT_OUT = ("quantization_config", "quantization", "auto_map", "torch_dtype", "dtype")
"""Keys that change no count, or name code outside of the library."""


def tensors_of_config(config: Mapping[str, Any]) -> TensorList:
    """Return the parameters of the model that transformers builds from a config.

    Parameters
    ----------
    config : Mapping
        Hugging Face config with a `model_type` of the installed transformers.

    Raises
    ------
    InputError
        If transformers or PyTorch is missing, or the model cannot be built from the config.
    """
    try:
        import torch  # type: ignore[import-not-found, unused-ignore]
        import transformers  # type: ignore[import-not-found, unused-ignore]
    except ImportError as error:
        raise InputError(
            f"family: {FRAMEWORK!r} needs the packages of the extra hub: pip install 'costmodel[hub]' ({error})"
        ) from None
    model_type = config.get("model_type")
    known = transformers.models.auto.configuration_auto.CONFIG_MAPPING_NAMES
    if not isinstance(model_type, str) or model_type not in known:
        version = transformers.__version__
        raise InputError(f"model_type: {shown(model_type)} is not among the {len(known)} of transformers {version}")
    _check_depth(config, "")
    data = {key: _decoded(value) for key, value in config.items() if key not in _LEFT_OUT}
    try:
        built = transformers.models.auto.configuration_auto.CONFIG_MAPPING[model_type].from_dict(data)
        with torch.device("meta"):
            model = _class_of(transformers, built, config)._from_config(built)
        model.tie_weights()
    except InputError:
        raise
    except Exception as error:  # a framework raises whatever it likes at an odd config
        reason = f"{type(error).__name__}: {error}"
        raise InputError(f"config: transformers builds no model of it: {reason[:500]}") from None
    tensors = tuple(Tensor(name, tuple(tensor.shape)) for name, tensor in model.named_parameters())
    origin = f"{type(model).__name__} as transformers {transformers.__version__} builds it"
    return TensorList(tensors, origin, only_parameters=True)


def _class_of(transformers: Any, built: Any, config: Mapping[str, Any]) -> Any:
    """Return the class of the model: that in `architectures`, or the usual one of its type."""
    names = config.get("architectures")
    for name in names if isinstance(names, list) else []:
        found = getattr(transformers, name, None) if isinstance(name, str) else None
        if isinstance(found, type) and issubclass(found, transformers.PreTrainedModel):
            return found
    for table in _AUTO_CLASSES:
        mapping = getattr(transformers.models.auto.modeling_auto, table)
        if type(built) in mapping:
            found = mapping[type(built)]
            return found[0] if isinstance(found, (tuple, list)) else found
    raise InputError(f"model_type: transformers has no model of {config['model_type']!r}, only a config")


def _decoded(value: Any) -> Any:
    """Return a value with the numbers that transformers writes as objects, such as `{"__float__": "Infinity"}`."""
    if isinstance(value, Mapping):
        special = value.get("__float__")
        if isinstance(special, str) and special in {"Infinity", "-Infinity", "NaN"}:
            return float(special)
        return {key: _decoded(inner) for key, inner in value.items()}
    return [_decoded(inner) for inner in value] if isinstance(value, list) else value


def _check_depth(config: Mapping[str, Any], place: str) -> None:
    """Raise `InputError` if a config or a part of it has too many layers to build."""
    for key, value in config.items():
        if isinstance(value, Mapping):
            _check_depth(value, f"{place}{key}.")
        elif isinstance(value, int) and "layer" in str(key) and "hidden" in str(key) and value > MAX_LAYERS:
            raise InputError(f"{place}{key}: must be at most {MAX_LAYERS:,} to build the model; got {value:,}")

"""Limits of what is read from files and shown in messages: each reader refuses what exceeds them.

They keep the time of a refusal below two seconds and its memory below 500 MB.
"""

from __future__ import annotations

import reprlib

SCENARIO_BYTES = 5_000_000
"""Largest TOML or JSON file of a scenario, project or set of claims [byte]."""
CONFIG_BYTES = 5_000_000
"""Largest `config.json` of a model [byte]."""
CONFIG_KEYS = 2_000
"""Most keys of a config of a model, or of a config inside it [1]."""
CONFIG_VALUES = 200_000
"""Most values of such a config, those of all lists and objects inside it included [1]."""
CONFIG_DEPTH = 32
"""Deepest nesting of lists and objects in such a config [1]."""
SETTINGS_BYTES = 300_000
"""Largest file of a trainer, and script with arguments [byte]."""
YAML_BYTES = 100_000
"""Largest YAML file, whose parser is slow [byte]."""
TABLE_BYTES = 20_000_000
"""Largest CSV file [byte]."""
TABLE_CELLS = 3_000_000
"""Most cells of a CSV file [1]."""
TABLE_COLUMNS = 10_000
"""Most columns of a CSV file [1]."""
LOG_BYTES = 200_000_000
"""Largest log of a run as JSON lines [byte]; CSV files are limited to `TABLE_BYTES`."""
LOG_LINE_BYTES = 1_000_000
"""Longest line of a log as JSON lines [byte]."""
LOG_JSON_BYTES = 50_000_000
"""Largest log that is one JSON value, such as `trainer_state.json` [byte]."""
LOG_ROWS = 2_000_000
"""Most rows of a log [1]."""
HEADER_BYTES = 20_000_000
"""Largest header or index of safetensors files [byte]; that of 150,000 tensors."""
HEADER_KEYS = 500_000
"""Most keys of such a header [1]."""
HEADER_VALUES = 1_200_000
"""Most values of such a header [1]."""
GGUF_KEYS = 100_000
"""Most keys of the metadata of a GGUF file [1]."""
GGUF_STRINGS = 4_000_000
"""Most strings in the arrays of a GGUF file, such as the tokens of its vocabulary [1]."""
TENSORS = 2_000_000
"""Most tensors of a model [1]; DeepSeek-V3 has 92,000."""
TENSOR_SIZE = 10**15
"""Most elements of a tensor [1]."""
ALIASES = 20
"""Most aliases (`*name`) of a YAML file [1]; a file of few lines with many can stand for terabytes."""
VALUES = 50_000
"""Most values of the file of a trainer, aliases written out [1]."""
TOML_KEYS = 50_000
"""Most keys of a TOML file, whose parser is slow [1]."""
TOML_VALUES = 200_000
"""Most values in the lists of a TOML file, such as draws of a range [1]."""
JSON_VALUES = 1_000_000
"""Most keys and values of a JSON file of a scenario or a model [1]."""
LOG_VALUES = 5_000_000
"""Most keys and values of a log that is one JSON value [1]."""
DRAWS = 2_000_000
"""Most random draws of a call [1]."""
DEPTH = 50
"""Deepest nesting of tables and lists in a file [1]."""
DIGITS = 400
"""Longest whole number in a file [character]; a float has at most 309 digits before the point."""
BASE_FILES = 10
"""Most files in a row of which each extends the next [1]."""
SHOWN = 80
"""Longest value given that a message repeats [character]."""
MESSAGE = 200
"""Longest message of a parser that an error repeats [character]."""


def shown(value: object, most: int = SHOWN) -> str:
    """Return a value given as a message repeats it, cut to a length.

    Parameters
    ----------
    value : object
        Value.
    most : int
        Length [character].

    Examples
    --------
    >>> shown("llama"), shown("x" * 100, 12)
    ("'llama'", "'xxxxxxxx...")
    """
    if isinstance(value, (str, bytes)):
        text = repr(value[: most + 1])
    else:
        short = reprlib.Repr()
        short.maxlevel, short.maxstring, short.maxother, short.maxlong = 3, most, most, most
        try:
            text = short.repr(value)
        except Exception:  # a foreign object, or a number with more digits than Python converts
            text = f"a value of the type {type(value).__name__}"
    return text if len(text) <= most else f"{text[: most - 3]}..."


def cut(text: object, most: int = MESSAGE) -> str:
    """Return a text on one line, cut to a length.

    Parameters
    ----------
    text : object
        Text, or what has one.
    most : int
        Length [character].
    """
    line = " ".join(str(text).split())
    return line if len(line) <= most else f"{line[: most - 3]}..."

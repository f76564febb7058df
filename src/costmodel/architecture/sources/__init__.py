"""Sources of an architecture: the `config.json` of a model."""

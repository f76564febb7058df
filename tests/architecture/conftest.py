"""What the tables of small configs of all families are checked for."""

import pytest

from costmodel.architecture.flops import count_flops
from costmodel.architecture.loading import load_architecture
from costmodel.architecture.specification import Architecture


@pytest.fixture
def exact():
    """Check that a config of a class counts to `total` parameters and `flops` of a forward pass over 12 tokens."""

    def check(model_type, name, config, total, flops):
        architecture = load_architecture({"model_type": model_type, "architectures": [name], **config})
        assert architecture.parameters.total == architecture.parameters.active == total
        assert count_flops(architecture, 12, attention="full").forward == flops
        again = Architecture.from_data(architecture.to_data())
        assert again.parameters == architecture.parameters
        assert count_flops(again, 12) == count_flops(architecture, 12)

    return check

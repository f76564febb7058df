"""How fast does a model answer? Prefill and decode on given accelerators, and what a token costs them."""

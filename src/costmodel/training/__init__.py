"""How a model is trained: recipes as passes, and how well accelerators are used."""

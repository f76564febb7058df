"""How are results shown? Plots, in one place."""

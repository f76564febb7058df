"""Claims about costs as data, and their probabilities under several assumptions."""

"""How wrong is it? Published cases predicted as a user would, and scored."""

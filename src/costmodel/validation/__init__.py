"""Scores of the predictions on published cases."""

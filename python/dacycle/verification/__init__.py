"""Scores of a run: time means with honest standard errors, and the table of a run's scores."""

"""Automatic runs of the course: papermill executes its notebooks, with a report of failures."""

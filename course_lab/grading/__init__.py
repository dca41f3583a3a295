"""Grading a class with nbgrader, whatever submissions do: see solutions/README.md."""

"""The start of a lesson: the course's look for every figure."""

import matplotlib.pyplot as plt

from course_lib.run.figures import STYLE


def start(name: str) -> None:
    """Apply the style of the course and say that the lesson is ready."""
    plt.style.use(STYLE)
    print(f"Lesson {name} is ready.")

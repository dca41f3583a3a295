"""One picture of a training run: how it learned, what it confuses, how its neurons fire."""

from matplotlib.figure import Figure

from course_lib.lab.figures import confusion, learning_curve, raster, style


def summary_figure(title: str, history, matrix, accuracy: float, spikes, label: int) -> Figure:
    """Learning curve, confusion matrix and raster beside each other.

    history: records of a run; matrix: (C, C) counts on the test set; accuracy: in [0, 1];
    spikes: (T, N) of the first hidden layer on one recording of the digit ``label``.
    """
    with style():
        figure = Figure(figsize=(13, 4.2))
        left, middle, right = figure.subplots(1, 3, width_ratios=(1.25, 1, 1))
        learning_curve(left, history).set_title("learning curve")
        confusion(middle, matrix).set_title(f"test set: {accuracy:.1%} right")
        raster(right, spikes).set_title(f"hidden layer, one recording of a {label}")
        figure.suptitle(title, fontsize=12)
        return figure


def summary_words(title: str, history, accuracy: float, label: int) -> str:
    """The same picture in words, for readers who cannot see it."""
    first, last = history[0]["loss"], history[-1]["loss"]
    return (
        f"{title}. Three panels: the training loss goes from {first:.2f} to {last:.2f} nats in "
        f"{len(history)} steps; a confusion matrix with {accuracy:.1%} of test recordings right; "
        f"a raster of the hidden layer's spikes on one recording of a {label}."
    )

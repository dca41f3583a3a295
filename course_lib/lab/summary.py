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

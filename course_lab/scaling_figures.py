"""Pictures of a population shared among processes: time and bytes against their number."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from course_lib.run.figures import COLOURS, series


def speed_up(ax: Axes, rows: Sequence[Mapping], network: str) -> Axes:
    """Predicted speed-up against processes, one line a population, and the diagonal.

    rows: ``predictions`` of data/results/scaling.json. Raises ValueError for an unknown network.
    """
    rows = _of(rows, network)
    processes = sorted({row["processes"] for row in rows})
    ax.plot(processes, processes, color=COLOURS["black"], linestyle=":", label="K times")
    for index, population in enumerate(sorted({row["population"] for row in rows})):
        some = [row for row in rows if row["population"] == population]
        ax.plot([row["processes"] for row in some], [row["speed_up"] for row in some],
                label=f"N = {population:,}", **series(index))  # fmt: skip
    ax.set(xscale="log", yscale="log", xlabel="processes K", ylabel="speed-up over one process")
    ax.legend()
    return ax


def received(ax: Axes, rows: Sequence[Mapping], network: str) -> Axes:
    """Bytes that a process receives in a generation: fitness values, and a gradient instead."""
    rows = [row for row in _of(rows, network) if row["processes"] > 1]
    populations = sorted({row["population"] for row in rows})
    for index, population in enumerate(populations):
        some = [row for row in rows if row["population"] == population]
        ax.plot([row["processes"] for row in some], [row["received_bytes"] for row in some],
                label=f"fitness, N = {population:,}", **series(index))  # fmt: skip
    most = [row for row in rows if row["population"] == populations[-1]]
    ax.plot([row["processes"] for row in most], [row["gradient_bytes"] for row in most],
            label="a gradient, any N", **series(len(populations)))  # fmt: skip
    ax.set(xscale="log", yscale="log", xlabel="processes K", ylabel="bytes received a generation")
    ax.legend()
    return ax


def _of(rows: Sequence[Mapping], network: str) -> list[Mapping]:
    names = sorted({row["network"] for row in rows})
    if network not in names:
        raise ValueError(f"network is {network!r}; expected one of {', '.join(names)}")
    return [row for row in rows if row["network"] == network]

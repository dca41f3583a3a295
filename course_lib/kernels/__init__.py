"""Compiled loops, by Numba: speed lives here, apart from the readable code that it is checked by.

    layers.py      forward and backward passes of LIF layers over events (``event_driven.py``)
    events.py      frames as lists of events, and their products with matrices
    population.py  forward passes of a whole population (``population.py`` beside this folder)
    packing.py     factors and weights, put in the order in which those passes read them
    noise.py       the population's noise
    smoothing.py   its input factors, smoothed over the pixels
    neurons.py     LIF neurons over given currents
    vectors.py     16 or 64 numbers at a time
    threads.py     the same loops from several threads

Functions hold no lock, so that ordinary Python threads can share the work: a thread pool of Numba's
own would compete with torch's for the same processors.
"""

from course_lib.kernels.layers import (
    _by_event,
    _by_trace,
    backpropagate,
    find_events,
    leaky_mean,
    mean_rates,
    run_layer,
)

__all__ = [
    "_by_event", "_by_trace", "backpropagate", "find_events", "leaky_mean", "mean_rates",
    "run_layer",
]  # fmt: skip

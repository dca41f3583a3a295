"""Compiled loops, by Numba: speed lives here, apart from the readable code that it is checked by.

    forward.py     forward passes of LIF layers over events (``event_driven.py``)
    backward.py    backward passes through those events: errors, layer by layer
    gradients.py   and the gradients of the weights
    events.py      frames as lists of events, and their products with matrices
    population.py  forward passes of a whole population (``population.py`` beside this folder)
    packing.py     factors and weights, put in the order in which those passes read them
    noise.py       the population's noise
    smoothing.py   its input factors, smoothed over the pixels
    neurons.py     LIF neurons over given currents
    vectors.py     16 or 64 numbers at a time
    threads.py     the same loops from several threads
    workspace.py   arrays kept from step to step

Functions hold no lock, so that ordinary Python threads can share the work: a thread pool of Numba's
own would compete with torch's for the same processors.
"""

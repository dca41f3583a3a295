"""Compiled loops, by Numba, and one kernel for GPUs, by Triton: speed lives here, apart from the
readable code that it is checked by.

    forward.py     forward passes of LIF layers over events (``event_driven.py``)
    backward.py    backward passes through those events: errors, layer by layer
    gradients.py   and the gradients of the weights
    events.py      frames as lists of events, and their products with matrices
    population.py  forward passes of a whole population (``population.py`` beside this folder), with
                   first_layer.py and later_layers.py; only_layer.py, if there is but one
    plan.py        where their numbers stand
    packing.py     factors and weights, put in that order
    losses.py      the members' losses
    products.py    the population's gradient
    noise.py       the population's noise, from the words of philox.py
    smoothing.py   its input factors, smoothed over the pixels
    neurons.py     LIF neurons over given currents
    vectors.py     8 to 64 numbers at a time
    threads.py     the same loops from several threads
    workspace.py   arrays kept from step to step
    gpu.py         the forward passes of population.py on a GPU
    renewal.py     drops stored compilations when any of these files changes

Functions hold no lock, so that ordinary Python threads can share the work: a thread pool of Numba's
own would compete with torch's for the same processors.
"""

from course_lib.fast.kernels.renewal import renew_kernels

renew_kernels()

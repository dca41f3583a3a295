"""A step's forward and backward passes, timed apart: autograd's loop and what competes with it."""

import statistics
import time

from course_lib.fast.event_driven import EventDrivenPass
from course_lib.fast.event_lists import input_events
from course_lib.fast.kernels.workspace import Workspace
from course_lib.fitness import cross_entropy


def autograd(spike):
    """A contestant: (network, frames, labels) → seconds forward and backward, active fraction.

    spike: makes the spike function of a step.
    """

    def run(network, frames, labels):
        start = time.perf_counter()
        loss = cross_entropy(network.logits(frames, spike=spike()), labels)
        middle = time.perf_counter()
        loss.backward()
        return middle - start, time.perf_counter() - middle, 1.0

    return run


def kernel(pseudo):
    """The same for the event-driven pass with that derivative."""
    workspace = Workspace()

    def run(network, frames, labels):
        start = time.perf_counter()
        events = input_events(frames, workspace)
        forward = EventDrivenPass(network, events, pseudo, workspace)
        logits = (network.logit_scale * forward.outputs).requires_grad_()
        cross_entropy(logits, labels).backward()
        middle = time.perf_counter()
        forward.backward(network.logit_scale * logits.grad)
        return middle - start, time.perf_counter() - middle, forward.active_fraction

    return run


def phases(contestants, repeats, network, frames, labels) -> dict[str, dict[str, float]]:
    """Medians by contestant: seconds ``forward``, ``backward`` and ``both``; the fraction
    ``active``. Every repeat runs each contestant once; a first one is not counted."""
    measured = {name: [] for name in contestants}
    for repeat in range(repeats + 1):
        for name, run in contestants.items():
            network.zero_grad(set_to_none=True)
            forward, backward, active = run(network, frames, labels)
            if repeat:
                measured[name].append((forward, backward, forward + backward, active))
    keys = ("forward", "backward", "both", "active")
    return {
        name: dict(zip(keys, map(statistics.median, zip(*values, strict=True)), strict=True))
        for name, values in measured.items()
    }


def ratios(times: dict[str, dict], slow: str, fast: str) -> tuple[float, float]:
    """How many times longer ``slow`` takes: the backward pass, both passes."""
    return tuple(times[slow][phase] / times[fast][phase] for phase in ("backward", "both"))

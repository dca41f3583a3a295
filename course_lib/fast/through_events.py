"""The door to backpropagation through events: is there a faster way than autograd's loop?

``LocalZO`` and ``SparseGrad`` ask ``event_driven``. The compiled pass is the faster one at any δ, m
and number of steps: for each sample and layer it chooses by itself between sums over the few
entries whose derivative is not zero and sums over the events that came in.
"""

from torch import Tensor

from course_lib.fast import trust
from course_lib.fast.engine import knows, not_floats, room_of


def event_driven(estimator, network, frames: Tensor, step: int):
    """The network's pass over these frames, run forwards: an ``EventDrivenPass``, with ``outputs``
    and ``backward``. None where the autograd loop is the way.

    estimator.kernel: "auto", the fast way where there is one; "readable", never; "fused", or else
    ValueError says what keeps it from being used.
    """
    if estimator.kernel == "readable":
        return None
    obstacle = knows(network) or _own_spike(type(estimator)) or not_floats(network, frames)
    if frames.device.type != "cpu":
        obstacle = obstacle or "it runs on the CPU alone"
    obstacle = obstacle or trust.why_not()
    if not obstacle:
        from course_lib.fast.event_driven import EventDrivenPass
        from course_lib.fast.event_lists import input_events

        arrays = room_of(estimator).arrays
        events = input_events(frames, arrays)
        if events is not None:
            return EventDrivenPass(network, events, estimator.pseudo_derivative(step), arrays)
        obstacle = "frames are not all 0 or 1"
    if estimator.kernel == "fused":
        raise ValueError(f'kernel="fused" does not work here: {obstacle}; use kernel="auto"')
    return None


def _own_spike(method: type) -> str:
    """Whether a subclass has a spike function of its own, of which the kernel knows nothing."""
    spike, derivative = (
        next(base for base in method.__mro__ if name in vars(base))
        for name in ("spike", "pseudo_derivative")
    )
    return "" if spike is derivative else f"{method.__name__} has a spike of its own"

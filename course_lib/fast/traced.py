"""The first layer of an online pass at the price of its events.

Currents, and the sums that make up the gradient, take one row of a matrix for each event, and
nothing for the zeros of the frames. Only the trace that one block of time steps leaves to the next
is dense, and so is its product. The result is that of ``online.Traced``, up to rounding: sums are
added in another order. (So a spike may differ where a voltage is within rounding of the threshold.)
"""

import numpy as np
import torch
from torch import Tensor

from course_lib.fast.event_lists import SAMPLES, frame_events, multiply
from course_lib.fast.kernels.events import STRIP, add_transposed, follow_events
from course_lib.fast.kernels.packing import fill_tiles
from course_lib.fast.kernels.threads import in_threads, ranges, torch_threads
from course_lib.fast.kernels.workspace import Workspace
from course_lib.layers import Dense


class EventTraced:
    """A twin of ``online.Traced`` for the layer that reads frames (T, B, D).

    threads: of the compiled loops;  room: where arrays are kept, none of which grows with T.
    """

    def __init__(
        self, layer: Dense, frames: Tensor, beta: float, room: Workspace, threads: int
    ):
        (size, inputs), self.layer, self.room = layer.weight.shape, layer, room
        self.beta, self.threads, self.width = np.float32(beta), threads, -(-size // STRIP) * STRIP
        strips = self.width // STRIP, inputs, STRIP
        self.columns, self.sums = self._array("columns", *strips), self._array("sums", *strips)
        self.trace = self._array("trace", frames.shape[1], inputs)
        self.sums.fill(0)
        self.trace.fill(0)
        fill_tiles(self.columns, layer.weight.detach().numpy())
        self.bias = np.pad(layer.bias.detach().numpy(), (0, self.width - size))

    def _array(self, name: str, *shape: int) -> np.ndarray:
        return self.room.array(f"online, {name}", shape)

    def currents(self, sent: Tensor) -> Tensor:
        steps, batch, _ = sent.shape
        currents = self._array("currents", batch, steps, self.width)
        with torch_threads(self.threads):
            self.events = frame_events(sent, self.room)
            multiply(self.events, self.columns, self.bias, currents)
        return torch.from_numpy(currents).transpose(0, 1)[:, :, : self.layer.outputs]

    def add_products(self, sent: Tensor, late: Tensor, more: bool) -> None:
        steps, batch, size = late.shape
        padded = self._array("late", steps, batch, self.width)
        torch.from_numpy(padded)[:, :, :size] = late
        if self.trace.any():
            self.layer.add_gradient(late[0], torch.from_numpy(self.trace), alpha=float(self.beta))
        with torch_threads(self.threads):
            in_threads(add_transposed, ranges(len(self.sums), 1), *self.events, padded, self.sums)
            if more:
                jobs = ranges(batch, SAMPLES)
                in_threads(follow_events, jobs, *self.events, self.beta, self.trace)

    def finish(self) -> None:
        """Add to ``.grad`` what the events have summed up."""
        for rows, sums in zip(self.layer.weight.grad.split(STRIP), self.sums, strict=True):
            rows += torch.from_numpy(sums).T[: len(rows)]

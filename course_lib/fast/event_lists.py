"""Lists of events, and of other entries that are few among many, as compiled loops read them.

Time-major frames and spikes hold mostly zeros. Here each sample b has a list of the others, step by
step: those of step t stand at places starts[b, t] to starts[b, t + 1] − 1. Lists have room for the
worst case; see ``Workspace``.
"""

from typing import NamedTuple

import numpy as np
from torch import Tensor

from course_lib.events.frameset import PackedFrames
from course_lib.fast.kernels import packing
from course_lib.fast.kernels.events import SPARE, list_bits_of_frames, list_events, multiply_events
from course_lib.fast.kernels.threads import in_threads, ranges
from course_lib.fast.kernels.workspace import Workspace

#: samples of one job
SAMPLES = 8


class Events(NamedTuple):
    """Who spiked when: per sample b, indices of step t at [starts[b, t], starts[b, t + 1])."""

    indices: np.ndarray
    starts: np.ndarray


class FrameEvents(NamedTuple):
    """Entries of frames that are not zero: per sample b, those of step t stand at places
    [starts[b, t], starts[b, t + 1]) of indices[b]; values is empty where all of them are 1."""

    indices: np.ndarray
    starts: np.ndarray
    values: np.ndarray


class Entries(NamedTuple):
    """Numbers at some (t, neuron), G where it is not zero, say: listed as ``Events`` are."""

    neurons: np.ndarray
    values: np.ndarray
    starts: np.ndarray


def input_events(frames: Tensor, workspace: Workspace | None = None) -> Events | None:
    """The events in frames (T, B, D), float32 on the CPU; None unless all of them are 0 or 1.

    workspace: where arrays are kept; they are lost with its next use.
    """
    events = event_room(workspace or Workspace(), "input", *_sizes(frames))
    return events if _list(frames, events) else None


def frame_events(frames: Tensor, workspace: Workspace | None = None) -> FrameEvents:
    """The events of frames (T, B, D).

    workspace: where their places are kept; they are lost with its next use.
    """
    events = event_room(workspace or Workspace(), "frames", *_sizes(frames))
    if _list(frames, events):
        return FrameEvents(*events, np.empty((0, 0), np.float32))
    counts = np.empty(events.indices.shape, np.float32)
    values = frames.detach().contiguous().numpy()
    in_threads(packing.list_values, ranges(frames.shape[1], 2 * SAMPLES), values, *events, counts)
    return FrameEvents(*events, counts)


def _sizes(frames: Tensor) -> tuple[int, int, int]:
    steps, batch, inputs = frames.shape
    return batch, steps, inputs


def _list(frames: Tensor, events: Events) -> bool:
    """Fill ``events`` with those of frames (T, B, D); whether all of them are 1."""
    jobs = ranges(frames.shape[1], 2 * SAMPLES)
    if isinstance(frames, PackedFrames) and frames.unread:
        in_threads(list_bits_of_frames, jobs, frames.packed, frames.rows, *events)
        return True
    return all(in_threads(list_events, jobs, frames.detach().contiguous().numpy(), *events))


def multiply(
    events: FrameEvents, columns: np.ndarray, begin: np.ndarray, out: np.ndarray, run=in_threads
) -> None:
    """Frames, given by their events, times columns (strips, D, STRIP): see ``multiply_events``."""
    samples = ranges(len(out), 8 * SAMPLES)
    jobs = [(strip, *some) for strip in range(len(columns)) for some in samples]
    run(multiply_events, jobs, *events, columns, begin, out)


def event_room(room: Workspace, name: str, batch: int, steps: int, size: int) -> Events:
    """Room for lists of events of so many neurons or inputs, in the worst case."""
    indices = room.array(f"{name}, indices", (batch, steps * size + SPARE), np.int32)
    starts = room.array(f"{name}, starts", (batch, steps + 1), np.int32)
    starts[:, 0] = 0
    return Events(indices, starts)


def entry_room(room: Workspace, name: str, batch: int, steps: int, size: int) -> Entries:
    """Room for lists of entries."""
    neurons, starts = event_room(room, name, batch, steps, size)
    return Entries(neurons, room.array(f"{name}, values", neurons.shape, np.float32), starts)

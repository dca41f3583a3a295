"""Event recordings: simulated "saccade digits", real N-MNIST, your own; frames for a network.

splits = load_splits("saccade-digits", bins=10)
frames = splits.train.frames(indices)  # (T, B, 2312), time-major
"""

from course_lib.events.digits import Digits, load_digits
from course_lib.events.frames import count_frames, pack
from course_lib.events.frameset import FrameSet, coarse, concatenate, shift_frames
from course_lib.events.own import fit_sensor, load_recordings
from course_lib.events.recordings import (
    EVENT_DTYPE,
    SENSOR_SIZE,
    check_events,
    read_recording,
    write_recording,
)
from course_lib.events.saccades import DEFAULT, Parameters, simulate, simulate_frames
from course_lib.events.splits import Splits, load_all, load_splits


def __getattr__(name: str):
    """Folders of real recordings, which few need: loaded when they are first asked for."""
    if name not in ("find_recordings", "matching_digits"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from course_lib.events import folders

    return getattr(folders, name)

"""The history of a run: one tidy record a step, kept as CSV and JSON."""

import csv
import io
import json
import time
from pathlib import Path

from course_lib.events.files import write_atomic

#: columns of a record; the last three only at steps that were validated
COLUMNS = (
    "step", "seconds", "cpu_seconds", "forward_passes", "samples", "loss",
    "validation_loss", "validation_accuracy", "spikes_per_sample",
)  # fmt: skip


class History(list):
    """Records (dicts with keys from COLUMNS), in the order of the steps.

    step:           number of updates made, from 1.
    seconds:        training time so far, without validation.
    cpu_seconds:    the same in processor time, summed over threads: other programs do not count.
    forward_passes: forward passes of a batch so far; samples: recordings drawn so far.
    loss:           of the step's batch, nats, as the estimator reports it.
    validation_loss, validation_accuracy: on the whole validation set.
    spikes_per_sample: mean spikes of all layers per recording of the validation set.
    """

    def column(self, name: str) -> tuple[list[float], list[float]]:
        """(steps, values) of the records that have this column."""
        rows = [row for row in self if name in row]
        return [row["step"] for row in rows], [row[name] for row in rows]

    def newest(self, name: str, default):
        """The last value in a column; ``default`` if there is none."""
        return next((row[name] for row in reversed(self) if name in row), default)

    def save(self, folder: Path) -> None:
        """Write history.csv and history.json to the folder, each atomically."""
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self)
        write_atomic(Path(folder) / "history.csv", text.getvalue())
        write_atomic(Path(folder) / "history.json", json.dumps(list(self), indent=0))

    @classmethod
    def load(cls, folder: Path) -> "History":
        """Read what ``save`` wrote. Raises FileNotFoundError if there is nothing."""
        return cls(json.loads((Path(folder) / "history.json").read_text(encoding="utf-8")))


class Clock:
    """Time spent within ``with clock:``, added to that of a history; see there."""

    def __init__(self, seconds: float, history: History):
        self.seconds, self.cpu_seconds = seconds, history.newest("cpu_seconds", 0.0)

    def __enter__(self):
        self._starts = time.perf_counter(), time.process_time()

    def __exit__(self, *error):
        start, start_cpu = self._starts
        self.seconds += time.perf_counter() - start
        self.cpu_seconds += time.process_time() - start_cpu

"""Cells and columns of a study's tables."""

import statistics
from collections.abc import Sequence

from course_lib.results import processor_seconds
from studies import collapse, nmnist
from studies.inference import difference, halves, percent
from studies.plan import at_an_end

NOTES = {
    "chosen": "‡: the choice is the smallest or largest value that the search tried.",
    "accuracy": "Accuracy: of the test set in %, mean ± sample standard deviation over n seeds.",
    "train": "In training: accuracy on the training set after training, in %, and how far it lies "
    "above the test set's, in points.",
    "published": nmnist.NOTE,
    "halves": "Fitted / others: accuracy on the test recordings that the simulator's camera was "
    "fitted to (of N-MNIST's training recordings 1 to 1,000 those whose number leaves 0 or 1 when "
    "divided by 4), and on the others; – where runs do not say which they got right.",
    "difference": "Difference: test accuracy minus that of the group's first row, in points, "
    "paired by seed, with a 95 % t-interval over seeds and test recordings "
    "(`studies/inference.py`).",
    "worst": "Lowest: test accuracy of the worst seed, in %.",
    "lost": "Lost classes: of which the network knows less than one recording in twenty, a number "
    "for each seed.",
    "collapse": collapse.NOTE,
    "silent": "Silent: neurons of each layer that send no spike to any test recording, mean over "
    "seeds (leaky outputs never send one).",
    "validation": "Validation: accuracy in % of the final runs on the validation set.",
    "gain": "Gain: validation accuracy minus that of the first row, in points, paired by seed, "
    "with a 95 % t-interval over seeds and recordings.",
    "cpu": "CPU s: processor seconds of training on one thread, with the drawing of batches and "
    "without evaluation, of the runs on the machine that most runs were on (*: on another one, "
    "where there are none). Other work on the same cores makes them longer (`load` in the JSON), "
    "so compare rows with one another.",
    "wall": "Wall s: of training, by the clock, whatever else ran.",
    "memory": "Memory: all tensors of one training step at its peak, MB (10⁶ bytes), in the "
    "run with the most. LocalZO and SparseGrad: of their readable form; the compiled kernel, which "
    "trained them, keeps less.",
    "forward": "Forward: forward passes of a batch.",
    "spikes": "Spikes: per recording of the test set, hidden layers in order.",
    "speedup": "Faster: how many times faster the compiled kernel is than the autograd loop with "
    "the expected surrogate, backward pass / both passes, median over n seeds.",
    "active": "Active: share of (time, sample, neuron) entries that took part in the last backward "
    "pass.",
}


def number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def _mean(row: dict, name: str, form: str, scale: float = 1.0) -> str:
    found = row["summary"].get(name)
    return "–" if found is None else format(scale * found["mean"], form)


def cpu(row: dict, result: dict) -> str:
    """Processor seconds, with a mark where they are of another machine than other rows'."""
    seconds, usual = processor_seconds(row, result)
    return f"{seconds:.1f}" + ("" if usual else "*")


def peak(row: dict) -> str:
    """The most bytes that a run's step held, in MB."""
    found = [run["peak_memory"] for run in row["runs"] if run["peak_memory"] is not None]
    return f"{max(found) / 1e6:.1f}" if found else "–"


def named(choice: dict, tried: Sequence[dict] = ()) -> str:
    """Of what was ``tried``, marks values that lie at an end."""
    ends = at_an_end(tried, choice)
    parts = (f"{name} {value}{'‡' * (name in ends)}" for name, value in choice.items())
    return ", ".join(parts) or "–"


def _stopped(row: dict) -> str:
    count = sum(run["stopped"] is not None for run in row["runs"])
    return f" ({count} stopped early)" if count else ""


def _train(row: dict, result: dict) -> str:
    found = [run.get("train_accuracy") for run in row["runs"]]
    if None in found:
        return "–"
    test = [run["test_accuracy"] for run in row["runs"]]
    gap = statistics.fmean(found) - statistics.fmean(test)
    return f"{100 * statistics.fmean(found):.1f} ({100 * gap:+.1f})"


def worst(row: dict) -> float:
    return min(run["test_accuracy"] for run in row["runs"])


def _lost(row: dict) -> str:
    found = [run.get("lost_classes") for run in row["runs"]]
    return "–" if None in found else ", ".join(map(str, sorted(found)))


def _silent(row: dict) -> str:
    found = [run["silent"] for run in row["runs"] if "silent" in run]
    layers = zip(*found, strict=True)
    return ", ".join(f"{statistics.fmean(layer):.1f}" for layer in layers) or "–"


def _halves(row: dict, result: dict) -> str:
    parts, place = halves(result), result["rows"].index(row)
    if parts is None:
        return "–"
    return " / ".join(percent(part["rows"][place]["summary"]["test_accuracy"]) for part in parts)


def _speedup(row: dict) -> str:
    found = [run["speedup"] for run in row["runs"] if run.get("speedup")]
    if not found:
        return "–"
    return " / ".join(
        f"{statistics.median(ratios[name] for ratios in found):.1f}×"
        for name in ("backward", "overall")
    )


#: key → (heading, cell of a row in the results)
COLUMNS = {
    "chosen": ("search's choice", lambda row, result: named(row["chosen"], row["tried"])),
    "n": ("n", lambda row, result: str(row["summary"]["n"])),
    "accuracy": (
        "accuracy", lambda row, result: percent(row["summary"]["test_accuracy"]) + _stopped(row)
    ),
    "published": ("published", nmnist.published),
    "halves": ("fitted / others", lambda row, result: _halves(row, result)),
    "difference": ("difference", lambda row, result: difference(row, result)),
    "train": ("in training", _train),
    "worst": ("lowest", lambda row, result: f"{100 * worst(row):.1f}"),
    "lost": ("lost classes", lambda row, result: _lost(row)),
    "collapse": ("collapsed", lambda row, result: collapse.share(row)),
    "silent": ("silent", lambda row, result: _silent(row)),
    "validation": (
        "validation", lambda row, result: percent(row["summary"]["validation_accuracy"])
    ),
    "gain": ("gain", lambda row, result: difference(row, result, "validation_accuracy")),
    "cpu": ("CPU s", cpu),
    "wall": ("wall s", lambda row, result: _mean(row, "seconds", ".1f")),
    "memory": ("memory", lambda row, result: peak(row)),
    "forward": ("forward", lambda row, result: _mean(row, "forward_passes", ",.0f")),
    "spikes": (
        "spikes",
        lambda row, result: ", ".join(f"{s:.0f}" for s in row["summary"]["spikes"][:-1]),
    ),
    "speedup": ("faster", lambda row, result: _speedup(row)),
    "active": ("active", lambda row, result: _mean(row, "active", ".1%")),
}  # fmt: skip


def grid(headings: list[str], rows: Sequence[Sequence[str]], words: int = 1) -> str:
    """A Markdown table: the first ``words`` columns left, the others right."""
    marks = ["---"] * words + ["---:"] * (len(headings) - words)
    return "\n".join(f"| {' | '.join(line)} |" for line in (headings, marks, *rows))

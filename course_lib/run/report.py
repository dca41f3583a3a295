"""What a run tells people at its end: a screen of text, a JSON record, a picture."""

import json
import math
from pathlib import Path

import torch

from course_lib import estimators
from course_lib.evaluation import Evaluation
from course_lib.events import FrameSet
from course_lib.events.files import write_atomic
from course_lib.history import History
from course_lib.network import SpikingNetwork
from course_lib.run.runs import RunConfig


def interval(accuracy: float, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval, within [0, 1], of a fraction measured on ``count`` recordings."""
    z = 1.96
    centre = accuracy + z * z / (2 * count)
    spread = z * math.sqrt(accuracy * (1 - accuracy) / count + z * z / (4 * count * count))
    scale = 1 + z * z / count
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def summary(config: RunConfig, history: History, result: Evaluation) -> str:
    """One screen that says what the run did."""
    last, guessing = history[-1], math.log(len(result.confusion))
    low, high = interval(result.accuracy, result.count)
    validated = [row for row in history if "validation_accuracy" in row]
    lines = [
        "",
        config.title(),
        f"  test accuracy       {result.accuracy:.1%} of {result.count} recordings "
        f"(95 % interval {low:.1%} to {high:.1%})",
        f"  test loss           {result.loss:.3f} nats (guessing: {guessing:.3f})",
    ]
    if validated:
        lines.append(f"  validation          {validated[-1]['validation_accuracy']:.1%}")
    layers = ", ".join(f"{spikes:.0f}" for spikes in result.spikes)
    lines += [
        f"  updates             {last['step']:,} in {last['seconds']:.0f} s "
        f"({last['seconds'] / last['step'] * 1000:.0f} ms each)",
        f"  forward passes      {last['forward_passes']:,} of {config.batch_size} recordings, "
        f"{estimators.METHODS[config.method].backward}",
        f"  spikes a recording  {layers} (per layer)",
        f"  hardest class       {_hardest(result, config.names)}",
    ]
    return "\n".join(lines)


def _hardest(result: Evaluation, classes: tuple[str, ...]) -> str:
    counts = result.confusion
    share = counts.diag() / counts.sum(dim=1).clamp(min=1)
    share[counts.sum(dim=1) == 0] = 2
    hardest = int(share.argmin())
    wrong = counts[hardest].clone()
    wrong[hardest] = -1
    taken = classes[int(wrong.argmax())]
    return f"{classes[hardest]} ({share[hardest]:.0%} right, most often taken for {taken})"


def save_result(folder: Path, config: RunConfig, history: History, result: Evaluation) -> None:
    """Write result.json, atomically."""
    record = {
        "title": config.title(),
        "test_accuracy": result.accuracy,
        "test_loss": result.loss,
        "test_recordings": result.count,
        "confusion": result.confusion.tolist(),
        "spikes_per_recording": list(result.spikes),
        **{key: history[-1][key] for key in ("step", "seconds", "forward_passes")},
    }
    write_atomic(folder / "result.json", json.dumps(record, indent=2))


def draw_summary(
    path: Path,
    config: RunConfig,
    history: History,
    result: Evaluation,
    network: SpikingNetwork,
    test: FrameSet,
) -> None:
    """Learning curve, confusion matrix and a raster of the first hidden layer, as one PNG."""
    from course_lib.run.figures import confusion, learning_curve, new_figure, png, raster, style

    with torch.no_grad():
        spikes = network.cpu().record(test.frames([0]))[0].spikes[:, 0]
    label = test.classes[int(test.labels[0])]
    figure, (left, middle, right) = new_figure(1, 3, 13, 4.2, width_ratios=(1.25, 1, 1))
    with style():
        learning_curve(left, history).set_title("learning curve")
        shown = confusion(middle, result.confusion, test.classes)
        shown.set_title(f"test set: {result.accuracy:.1%} right")
        raster(right, spikes).set_title(f"hidden layer, one {label}")
        figure.suptitle(config.title(), fontsize=12)
    write_atomic(path, png(figure))

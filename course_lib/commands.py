"""What the commands do. Imported only when a command runs: torch takes seconds to load."""

import dataclasses
import sys
from pathlib import Path

import torch

from course_lib.evaluation import evaluate
from course_lib.events import concatenate, load_all, load_splits
from course_lib.guards import TrainingStopped
from course_lib.methods import METHODS
from course_lib.report import draw_summary, interval, save_result, summary
from course_lib.runs import RunConfig, load_network, new_folder
from course_lib.training import fit


def train(options) -> int:
    """Train, evaluate on the test set, print a summary and draw it."""
    config = _config(options)
    config.threads = config.threads or torch.get_num_threads()  # sums depend on it, so keep it
    torch.set_num_threads(config.threads)
    progress = not options.quiet
    splits = config.splits(progress=progress)
    folder = options.resume or _new_folder(options, config)
    network = config.network().to(config.device)
    print(f"{config.title()}\n{splits.name}: {splits.note}\nfolder: {folder}", flush=True)
    try:
        history = fit(
            network, config.estimator(), config.optimizer(network), splits.train,
            steps=config.steps, seconds=config.seconds, batch_size=config.batch_size,
            seed=config.seed, decay=config.decay, shift=config.shift,
            validation=splits.validation if config.validation else None,
            validate_every=config.validate_every, checkpoint_every=config.checkpoint_every,
            folder=folder, resume=True, progress=progress,
        )  # fmt: skip
    except KeyboardInterrupt:
        print(f"\ninterrupted; go on with: train --resume {folder}", file=sys.stderr)
        return 130
    except (TrainingStopped, FloatingPointError) as error:
        print(f"stopped: {error}\nfolder: {folder}", file=sys.stderr)
        return 1
    result = evaluate(network, splits.test)
    save_result(folder, config, history, result)
    print(summary(config, history, result))
    picture = folder / "summary.png"
    draw_summary(picture, config, history, result, network, splits.test)
    print(f"  picture             {picture}")
    return 0


def _config(options) -> RunConfig:
    """The settings that the command line gives, or those of the run to resume."""
    given = {name: value for name, value in vars(options).items() if value is not None}
    settings = {field.name for field in dataclasses.fields(RunConfig)}
    estimator_options = {name for method in METHODS.values() for name in method.options}
    chosen = {name: given[name] for name in given if name in estimator_options - settings}
    given = {name: given[name] for name in given if name in settings}
    if options.resume:
        extra = [*given, *chosen, *(["out"] if options.out else [])]
        if extra:
            flags = ", ".join(f"--{name.replace('_', '-')}" for name in extra)
            raise ValueError(f"--resume takes every setting from the run; leave out {flags}")
        return RunConfig.load(options.resume)
    return RunConfig(**given, options=chosen)


def _new_folder(options, config: RunConfig) -> Path:
    folder = options.out or new_folder(config)
    if (folder / "config.json").exists():
        raise ValueError(f"{folder} holds a run already: --resume {folder}, or another --out")
    folder.mkdir(parents=True, exist_ok=True)
    config.save(folder)
    return folder


def evaluate_run(options) -> int:
    """Print accuracy and confusion of a trained network on any data."""
    config, network = load_network(options.folder)
    source = options.data or config.data
    if options.data:
        splits = None if options.split == "all" else load_splits(
            source, config.bins, on_bad=config.on_bad
        )  # fmt: skip
    else:
        splits = config.splits()
    if splits is None:
        data = load_all(source, config.bins, on_bad=config.on_bad)
    elif options.split == "all":
        data = concatenate(splits.train, splits.validation, splits.test)
    else:
        data = getattr(splits, options.split)
    result = evaluate(network, data)
    low, high = interval(result.accuracy, result.count)
    print(config.title())
    print(f"{source}, {options.split}: {result.accuracy:.1%} of {result.count} recordings right "
          f"(95 % interval {low:.1%} to {high:.1%}), loss {result.loss:.3f}")  # fmt: skip
    print("label → answers 0 … 9")
    for label, row in enumerate(result.confusion.tolist()):
        print(f"{label}  " + " ".join(f"{count:4d}" for count in row))
    return 0


def data_info(options) -> int:
    splits = load_splits(options.source, on_bad=options.on_bad)
    print(f"{splits.name}: {splits.note}")
    for name in ("train", "validation", "test"):
        part = getattr(splits, name)
        counts = torch.bincount(part.labels, minlength=10).tolist()
        print(f"  {name:10s} {len(part):6,} recordings; per digit {counts}")
    sample = splits.train.frames(range(min(256, len(splits.train))))
    print(f"  frames (T, B, {sample.shape[-1]}) with T = {len(sample)}; "
          f"{sample.mean().item():.1%} of entries are 1")  # fmt: skip
    return 0


def data_download(options) -> int:
    from course_lib.events import download
    from course_lib.events.files import cache_folder

    found = download(options.folder or cache_folder())
    print(f"{found.folder}: {len(found.train):,} training and {len(found.test):,} test recordings")
    return 0


def data_digits(options) -> int:
    from course_lib.events import write_digits

    write_digits(options.path)
    print(f"wrote {options.path}")
    return 0


def data_compare(options) -> int:
    from course_lib.events.compare import compare, report

    print(report(compare(options.folder)))
    return 0

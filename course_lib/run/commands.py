"""What the commands do. Imported only when a command runs: torch takes seconds to load."""

import os
import sys
from contextlib import nullcontext
from dataclasses import fields, replace
from pathlib import Path

import torch

from course_lib.checkpoints import TrainingStopped
from course_lib.evaluation import evaluate
from course_lib.events import concatenate, load_all, load_splits
from course_lib.events.own import Camera
from course_lib.events.sources import find_source
from course_lib.fast import population
from course_lib.run.options import flag
from course_lib.run.processes import Processes, start_processes
from course_lib.run.report import draw_summary, interval, save_result, summary
from course_lib.run.runs import RunConfig, alone, load_network, new_folder
from course_lib.run.scaling import Shared, report
from course_lib.training import fit

#: the options that say how the recordings of another camera are to be read
CAMERA = ("sensor", "unit", "order", "fit")


def train(options) -> int:
    """Train, evaluate on the test set, print a summary and draw it.

    Under torchrun, every process trains and the lead alone writes and prints.
    """
    try:
        with start_processes() as processes:
            return _train(options, processes)
    except (TrainingStopped, FloatingPointError) as error:
        if int(os.environ.get("RANK", 0)) < 2:  # the lead says it; another one, should it be lost
            print(f"stopped: {error}", file=sys.stderr)
        return 1


def _train(options, processes: Processes) -> int:
    config = processes.from_lead(lambda: _config(options, processes))
    torch.set_num_threads(config.threads)
    if config.device == "cuda" and processes.size > 1:
        torch.cuda.set_device(processes.local_rank)
    progress = processes.lead and not options.quiet
    splits = processes.in_turn(lambda: config.splits(progress=progress))
    config = replace(config, classes=splits.train.classes)
    folder = processes.from_lead(lambda: options.resume or _new_folder(options, config, processes))
    network, estimator = config.network().to(config.device), config.estimator()
    together = {}
    if processes.size > 1:
        estimator = Shared(estimator, processes)
        together = {"agree": estimator.agree}
    if processes.lead:
        say(f"{config.title()}\n{splits.name}: {splits.note}\nfolder: {folder}")
        if estimator.reads_events and not population.compiled():
            print("compiling, once (some seconds) …", file=sys.stderr)
    schedule = config if processes.lead else replace(config, checkpoint_every=sys.maxsize)
    held = alone(Path(folder)) if processes.lead else nullcontext()
    try:
        with held, processes.folder(folder) as own_folder:
            history = fit(
                network, estimator, config.optimizer(network), splits.train, schedule,
                validation=splits.validation if config.validation else None,
                folder=own_folder, resume=True, progress=progress, **together,
            )  # fmt: skip
    except KeyboardInterrupt:
        if processes.lead:
            print(f"\ninterrupted; go on with: train --resume {folder}", file=sys.stderr)
        return 130
    except (TrainingStopped, FloatingPointError) as error:
        raise TrainingStopped(f"{error}\nfolder: {folder}") from error
    if not processes.lead:
        return 0
    result = evaluate(network, splits.test)
    save_result(folder, config, history, result)
    say(summary(config, history, result))
    if processes.size > 1:
        say(report(estimator, network))
    picture = folder / "summary.png"
    draw_summary(picture, config, history, result, network, splits.test)
    say(f"  picture             {picture}")
    return 0


def say(text: str) -> None:
    """Print; where nobody reads on (``| head -1``), training goes on all the same."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _config(options, processes: Processes) -> RunConfig:
    """The settings that the command line gives, or those of the run to resume."""
    given = {name: value for name, value in vars(options).items() if value is not None}
    chosen = {name.removeprefix("method."): value for name, value in given.items()
              if name.startswith("method.")}  # fmt: skip
    given = {field.name: given[field.name] for field in fields(RunConfig) if field.name in given}
    if not options.resume:
        config = RunConfig(**given, options=chosen)
    elif extra := [*given, *chosen, *(["out"] if options.out else [])]:
        flags = ", ".join(map(flag, extra))
        raise ValueError(f"--resume takes every setting from the run; leave out {flags}")
    else:
        config = RunConfig.load(options.resume)
    config.threads = config.threads or torch.get_num_threads()  # sums depend on it, so keep it
    if processes.size > 1:
        Shared(config.estimator(), processes)  # raises for a method that cannot be shared
    return config


def _new_folder(options, config: RunConfig, processes: Processes) -> Path:
    """The folder of a new run; after a restart by torchrun, that of the run it restarts."""
    kept = processes.recall("folder")
    folder = options.out or (Path(kept) if kept else new_folder(config))
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder):  # of two that start at once, the second finds the first one's settings
        if not (folder / "config.json").exists():
            processes.remember("folder", str(folder))
            config.save(folder)
        elif not processes.restarts:
            raise ValueError(f"{folder} holds a run already: --resume {folder}, or another --out")
        elif RunConfig.load(folder) != config:
            raise ValueError(f"{folder} holds a run with other settings: choose another --out")
    return folder


def evaluate_run(options) -> int:
    """Print accuracy and confusion of a trained network on any data."""
    config, network = load_network(options.folder)
    config.on_bad = options.on_bad or config.on_bad
    if options.data:
        config.data, config.hold_out, config.validation = options.data, None, True
    for name in CAMERA:
        setattr(config, name, getattr(options, name) or getattr(config, name))
    if options.split != "all":
        data = getattr(config.splits(), options.split)
    elif options.data and not find_source(config.data)[0].classes:
        data = load_all(config.data, config.bins, on_bad=config.on_bad, camera=config.camera,
                        classes=config.classes)  # fmt: skip
    else:
        config.validation = True  # else the training set would hold it, too
        data = concatenate(*config.splits()[:3])
    if data.inputs != network.sizes[0] or data.classes != (config.classes or data.classes):
        raise ValueError(
            f"{config.data} has {data.inputs} inputs and the classes {', '.join(data.classes)}; "
            f"the network {network.sizes[0]} and {', '.join(config.names)}"
        )
    result = evaluate(network, data)
    low, high = interval(result.accuracy, result.count)
    print(config.title())
    print(f"{config.data}, {options.split}: {result.accuracy:.1%} of {result.count} recordings "
          f"right (95 % interval {low:.1%} to {high:.1%}), loss {result.loss:.3f}")  # fmt: skip
    print(f"label → answers {data.classes[0]} … {data.classes[-1]}")
    width = max(map(len, data.classes))
    for name, row in zip(data.classes, result.confusion.tolist(), strict=True):
        print(f"{name:{width}}  " + " ".join(f"{count:4d}" for count in row))
    return 0


def export_run(options) -> int:
    """Write a trained network as NIR."""
    from course_lib.run.export import DT, export

    config, network = load_network(options.folder)
    export(network, options.file)
    print(f"{options.file}: {config.title()}, as NIR; a step takes {1000 * DT:g} ms, and so a "
          f"recording {1000 * config.bins * DT:g} ms")  # fmt: skip
    return 0


def data_info(options) -> int:
    said = {name: getattr(options, name) for name in CAMERA if getattr(options, name)}
    splits = load_splits(options.source, on_bad=options.on_bad, camera=Camera(**said))
    print(f"{splits.name}: {splits.note}")
    for name in ("train", "validation", "test"):
        part = getattr(splits, name)
        counts = torch.bincount(part.labels, minlength=len(part.classes)).tolist()
        print(f"  {name:10s} {len(part):6,} recordings; per class {counts}")
    sample = splits.train.frames(range(min(256, len(splits.train))))
    print(f"  frames (T, B, {sample.shape[-1]}) with T = {len(sample)}; "
          f"{sample.mean().item():.1%} of entries are 1")  # fmt: skip
    return 0


def data_fashion(options) -> int:
    from course_lib.events.fashion import write_fashion

    write_fashion(options.folder, options.file)
    print(f"{options.file}: {options.file.stat().st_size:,} bytes")
    return 0


def data_download(options) -> int:
    from course_lib.events.fetching import download

    found = download(options.folder)
    print(f"{found.folder}: {len(found.train):,} training and {len(found.test):,} test recordings")
    return 0

"""The command line: python -m course_lib train | evaluate | data

Whatever takes long to import is imported when a command needs it.
"""

import argparse
import contextlib
import json
import os
import re
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

EXAMPLES = r"""
examples:
  python -m course_lib train
      EGGROLL on the embedded saccade digits, the paper's way (spike-rate readout)
  python -m course_lib train --readout membrane --steps 600 --out runs/mine
  python -m course_lib train --method eggroll --rank 4 --sigma 0.007 0.03 --population 512
  python -m course_lib train --method smooth --readout membrane --sigma 0.007 0.03 --lr 0.003 0.01
      EGGROLL with input factors that vary smoothly over the pixels
  python -m course_lib train --method projected
      EGGROLL with a fitness for each sample, its noise projected on what the sample could feel
  python -m course_lib train --method bptt --seconds 60
  python -m course_lib train --method localzo --delta 0.5 --samples 5 --hidden 200 200
  python -m course_lib train --method opzo --alpha 0.2 --momentum 0.999
  python -m course_lib train --method hybrid --below opzo
      OPZO teaches the hidden layers, EGGROLL the readout
  python -m course_lib train --method bptt --until 0.75
      stops at 75 % validation accuracy, to compare networks at equal accuracy
  python -m course_lib train --data fashion       clothes before the same simulated camera
  python -m course_lib train --data fashion-latency --bins 100 --method localzo
      the same pictures, one spike a pixel, the brighter the earlier
  python -m course_lib train --data speech:PATH --bins 100 --method localzo
      spoken digits through a model ear, tested on a speaker that was never heard
  python -m course_lib train --data PATH          real N-MNIST recordings (Train/<label>/<k>.bin)
  python -m course_lib train --resume runs/mine   go on where an interrupted run stopped
  torchrun --local-addr 127.0.0.1 --nproc-per-node 2 --max-restarts 3 \
      -m course_lib train --method eggroll --out runs/two
      the population shared by two processes, to the same bits as one with --threads 1;
      also es; goes on by itself when a process is lost; see data/results/scaling.md
  python -m course_lib train --hold-out PATH --out runs/sim && \
  python -m course_lib evaluate runs/sim --data PATH --split all
      from simulated to real recordings, without the digits that are tested
"""


def main(arguments: list[str] | None = None) -> int:
    """Run a command. Returns the exit status; user errors are one line on stderr, status 2.

    A fault of the course's own is one line, too, status 1; its traceback goes into a file.
    """
    return run(build_parser(), arguments)


def run(parser: argparse.ArgumentParser, arguments: list[str] | None) -> int:
    """Parse the arguments and call their command, as ``main`` says."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # β and ≈ are escaped where a console has none of them
            stream.reconfigure(errors="backslashreplace")
    before, warnings.formatwarning = warnings.formatwarning, one_line
    try:
        options = parser.parse_args(arguments)
        return options.run(options) or 0
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError, ModuleNotFoundError, OverflowError) as error:
        return failed(str(error), 2)
    except Exception as error:
        if isinstance(error, MemoryError) or "memory" in str(error):  # torch raises RuntimeError
            return failed("there is too little memory; choose smaller sizes", 2)
        return failed(unexpected(error), 1)
    finally:
        warnings.formatwarning = before


def failed(why: str, status: int) -> int:
    """Say it, also to torchrun, whose report of many lines comes last. Returns the status."""
    print(f"error: {why}", file=sys.stderr)
    if report := os.environ.get("TORCHELASTIC_ERROR_FILE"):
        with contextlib.suppress(OSError):
            text = json.dumps({"message": f"error: {why}", "timestamp": int(time.time())})
            Path(report).write_text(text, encoding="utf-8")
    return status


def unexpected(error: Exception) -> str:
    """What to say about a fault that no user caused: what it is, and how to report it."""
    what = " ".join(f"{type(error).__name__}: {error}".split())[:150]
    text = "".join(traceback.format_exception(error))
    try:
        handle, path = tempfile.mkstemp(".txt", "spikes-error-")
        with open(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
    except OSError:  # the disk may be what failed
        return f"{what}; please report it, with what `course.py doctor` prints:\n{text}"
    return (
        f"{what}; this is a fault of the course. Please report it with {path} and what "
        "`python3 course.py doctor` prints"
    )


def one_line(message, *where, **more) -> str:
    """A warning as commands show it, without the place in the code."""
    return f"warning: {message}\n"


class Parser(argparse.ArgumentParser):
    """Says what is wrong in two lines, without all of the usage.

    fill: adds the arguments, when this parser is the one that is used.
    """

    def __init__(self, *args, fill: Callable[[argparse.ArgumentParser], None] | None = None, **kw):
        super().__init__(*args, **kw)
        self.fill = fill

    def parse_known_args(self, args=None, namespace=None):
        if self.fill:
            self.fill, fill = None, self.fill
            fill(self)
        options, rest = super().parse_known_args(args, namespace)
        if rest:
            self.fail(f"{rest[0]} is no option here", rest[0], self._option_string_actions)
        return options, rest

    def error(self, message: str):
        choice = re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message)
        self.fail(message, *(choice and (choice[1], re.findall(r"[\w-]+", choice[2])) or ("", ())))

    def fail(self, message: str, word: str, known) -> None:
        from course_lib.run.options import did_you_mean

        self.exit(2, f"error: {message}{did_you_mean(word, known)}\nhelp:  {self.prog} --help\n")


def build_parser() -> Parser:
    parser = Parser(
        prog="python -m course_lib",
        description="Train spiking neural networks without backpropagation.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser(
        "train",
        help="train a network and show a summary",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        fill=add_train,
    )
    add_evaluate(commands)
    add_export(commands)
    add_data(commands)
    return parser


def named(folder: str) -> Path:
    """A folder's path; an empty name, as of a variable that is not set, would be this folder."""
    if not folder.strip():
        raise argparse.ArgumentTypeError("the folder's name is empty")
    return Path(folder)


def add_train(train: Parser) -> None:
    from course_lib.estimators import METHODS, Estimator
    from course_lib.run.options import add_method_options, add_settings
    from course_lib.run.runs import RunConfig

    add = train.add_argument
    add("--out", type=named, metavar="FOLDER", help="default: runs/<method>-<readout>-<number>")
    add("--resume", type=named, metavar="FOLDER", help="go on with an interrupted run")
    add("--quiet", action="store_true", help="no progress bar")
    depends = {name for part in Estimator.defaults.values() for name in part}
    add_settings(train.add_argument_group("the run"), RunConfig, depends)
    add_method_options(train.add_argument_group("options of the methods"), METHODS)
    train.set_defaults(run=command("train"))


def add_evaluate(commands) -> None:
    evaluate = commands.add_parser("evaluate", help="test a trained network")
    evaluate.add_argument("folder", type=Path, help="folder of a run, such as runs/eggroll-rate-1")
    evaluate.add_argument("--data", metavar="SOURCE", help="default: what it was trained on")
    evaluate.add_argument(
        "--split", choices=("train", "validation", "test", "all"), default="test",
        help='default: test; "all": every recording of a folder',
    )  # fmt: skip
    evaluate.add_argument("--on-bad", choices=("error", "skip"), metavar="error|skip",
                          help="a damaged recording; default: as in training")  # fmt: skip
    add_camera(evaluate)
    evaluate.set_defaults(run=command("evaluate_run"))


def add_export(commands) -> None:
    export = commands.add_parser("export", help="write a trained network as NIR, for chips")
    export.add_argument("folder", type=Path, help="folder of a run, such as runs/eggroll-rate-1")
    export.add_argument("file", type=Path, help="such as net.nir; other tools read it")
    export.set_defaults(run=command("export_run"))


def add_camera(parser) -> None:
    """How the recordings of another camera are to be read, as in ``train``."""
    parser.add_argument("--sensor", type=int, nargs="+", metavar="N",
                        help="width and height of another camera in pixels")  # fmt: skip
    parser.add_argument("--unit", choices=("ns", "us", "ms", "s"), help="of its times")
    parser.add_argument("--order", metavar="NAME", help="of its columns without names")
    parser.add_argument("--fit", choices=("scale", "crop", "keep"), help="to 34 x 34 pixels")


def add_data(commands) -> None:
    data = commands.add_parser("data", help="look at or fetch data")
    verbs = data.add_subparsers(required=True, metavar="VERB")
    info = verbs.add_parser("info", help="what a source holds and how it is split")
    info.add_argument("source", nargs="?", default="saccade-digits")
    info.add_argument("--on-bad", choices=("error", "skip"), default="error")
    add_camera(info)
    info.set_defaults(run=command("data_info"))
    fashion = verbs.add_parser("fashion", help="pack the 6,000 clothes that the course carries")
    fashion.add_argument("folder", type=Path, help="of Fashion-MNIST's four files ….gz")
    fashion.add_argument("file", nargs="?", type=Path, default=Path("data/fashion.npz"),
                         help="default: data/fashion.npz")  # fmt: skip
    fashion.set_defaults(run=command("data_fashion"))
    download = verbs.add_parser("download", help="fetch N-MNIST (1.2 GB)")
    download.add_argument("folder", nargs="?", type=Path, help="default: the user's cache")
    download.set_defaults(run=command("data_download"))


def command(name: str) -> Callable[[argparse.Namespace], int]:
    """A function of ``commands``, which is imported when it is called."""

    def call(options) -> int:
        from course_lib.run import commands

        return getattr(commands, name)(options)

    return call

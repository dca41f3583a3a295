"""The command line: a run from start to summary, resume, evaluation, and errors that help."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from course_lib.checkpoints import load_checkpoint, save_checkpoint
from course_lib.estimators import EGGROLL, METHODS
from course_lib.events import simulate, write_recording
from course_lib.run import cli, figures
from course_lib.run.report import interval
from course_lib.run.runs import RunConfig, alone, load_network
from studies import __main__ as studies

DRAWN = figures.png
SMALL = ["--hidden", "8", "--batch-size", "8", "--quiet", "--validate-every", "2"]


def run(*arguments):
    command = cli if arguments[0] in ("train", "evaluate", "data") else studies
    return command.main([str(a) for a in arguments])


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path, monkeypatch):
    """Where runs end without their picture, which would take longer than they do."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a_file").touch()
    monkeypatch.setattr(figures, "png", lambda figure: b"not drawn")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--method", "eggroll", "--rank", "2", "--population", "4", "--sigma", "0.01", "0.03"],
        ["--method", "smooth", "--population", "4", "--width", "2"],
        ["--method", "es", "--population", "4", "--sigma", "0.02", "--readout", "membrane",
         "--lr", "0.003", "0.01"],
        ["--method", "projected", "--population", "4", "--ridge", "0.1"],
        ["--method", "bptt", "--surrogate", "arctan", "--slope", "4"],
        ["--method", "localzo", "--delta", "0.3", "--samples", "2", "--distribution", "laplace"],
        ["--method", "sparsegrad", "--kernel", "readable"],
        ["--method", "ottt", "--readout", "rate"],
        ["--method", "opzo", "--alpha", "0.1", "--momentum", "0.9", "--noise", "sphere",
         "--mirrored", "--local"],
        ["--method", "dfa", "--error", "difference"],
        ["--method", "zo", "--inject", "membrane"],
        ["--method", "hybrid", "--below", "localzo", "--population", "4", "--delta", "0.3",
         "--until", "0.9"],
        ["--method", "eggroll", "--population", "4", "--shaping", "z_score", "--no-validation",
         "--reset", "subtract", "--reset-delay", "--bins", "4", "--weight-sd", "0.05", "0.2"],
    ],
)  # fmt: skip
def test_a_run_from_start_to_summary(arguments, capsys, tmp_path, monkeypatch):
    drawn = arguments[:3] == ["--method", "eggroll", "--rank"]
    if drawn:
        monkeypatch.setattr(figures, "png", DRAWN)
    assert run("train", *arguments, *SMALL, "--steps", 2, "--out", "r") == 0
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) <= 24, "a summary of one screen"
    for words in ("test accuracy", "forward passes", "spikes a recording", "summary.png"):
        assert words in printed
    folder = tmp_path / "r"
    assert (folder / "summary.png").read_bytes().startswith(b"\x89PNG" if drawn else b"not drawn")
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    assert result["test_recordings"] == 500 and result["step"] == 2
    assert len((folder / "history.csv").read_text(encoding="utf-8").splitlines()) == 3

    assert run("evaluate", "r") == 0
    assert f"{result['test_accuracy']:.1%} of 500 recordings" in capsys.readouterr().out


def test_run_folders_are_numbered_and_never_overwritten(capsys, tmp_path):
    for _ in range(2):
        assert run("train", "--population", 2, *SMALL, "--steps", 1) == 0
    assert sorted(p.name for p in (tmp_path / "runs").iterdir()) == [
        "projected-membrane-1", "projected-membrane-2",
    ]  # fmt: skip
    assert run("train", "--steps", 1, "--out", "runs/projected-membrane-1") == 2
    assert "holds a run already: --resume" in capsys.readouterr().err


def test_resume_takes_every_setting_from_the_run(capsys):
    options = ["--method", "bptt", *SMALL]
    assert run("train", *options, "--steps", 4, "--out", "whole") == 0
    whole = json.loads(Path("whole/result.json").read_text(encoding="utf-8"))
    assert run("train", "--resume", "whole", "--quiet") == 0, "a finished run can be shown again"
    assert json.loads(Path("whole/result.json").read_text(encoding="utf-8")) == whole
    capsys.readouterr()
    assert run("train", "--resume", "whole", "--lr", 1) == 2
    assert "--resume takes every setting from the run; leave out --lr" in capsys.readouterr().err


def test_an_interrupted_run_goes_on_from_the_command_line(capsys, monkeypatch):
    """Ctrl-C at step 2 of 5: settings make the way through config.json, and the end is the same."""
    options = ["--sigma", 0.01, 0.03, "--lr", 0.01, 0.02, "--weight-sd", 0.05, 0.2, "--steps", 5,
               "--population", 4, "--threads", 1, *SMALL]  # fmt: skip
    assert run("train", *options, "--out", "whole") == 0
    plain = EGGROLL.fill_grads

    def interrupted(self, network, frames, labels, step=0):
        if step == 2:
            signal.raise_signal(signal.SIGINT)
        return plain(self, network, frames, labels, step)

    monkeypatch.setattr(EGGROLL, "fill_grads", interrupted)
    assert run("train", *options, "--out", "cut") == 130
    assert "go on with: train --resume cut" in capsys.readouterr().err
    monkeypatch.setattr(EGGROLL, "fill_grads", plain)
    assert run("train", "--resume", "cut", "--quiet") == 0
    whole, cut = (load_checkpoint(Path(name) / "checkpoint.pt") for name in ("whole", "cut"))
    assert cut["step"] == 5
    for name, tensor in whole["network"].items():
        assert torch.equal(tensor, cut["network"][name])
    losses = [[row["loss"] for row in checkpoint["history"]] for checkpoint in (whole, cut)]
    assert losses[0] == losses[1]


def test_a_command_that_fails_leaves_no_folder(tmp_path):
    for bad in (["--data", "TYPO"], ["--validate-every", 0], ["--bins", 0], ["--seed", -1]):
        assert run("train", *bad, "--out", "mine") == 2
    assert not (tmp_path / "mine").exists() and not (tmp_path / "runs").exists()


def test_evaluate_every_split(capsys):
    train = ["train", "--method", "bptt", *SMALL, "--steps", 1]
    assert run(*train, "--out", "r") == 0
    for split, count in [("train", 4000), ("validation", 500), ("all", 5000)]:
        assert run("evaluate", "r", "--split", split) == 0
        assert f"of {count} recordings" in capsys.readouterr().out
    assert run(*train, "--no-validation", "--out", "whole") == 0
    for split, count in [("train", 4500), ("all", 5000)]:
        assert run("evaluate", "whole", "--split", split) == 0
        assert f"of {count} recordings" in capsys.readouterr().out


def test_evaluate_skips_bad_recordings_if_told_to(capsys, tmp_path):
    assert run("train", "--method", "bptt", *SMALL, "--steps", 1, "--out", "r") == 0
    for number, label in enumerate("0123", 1):
        path = tmp_path / "real" / "Train" / label / f"{number}.bin"
        write_recording(path, simulate(np.full((28, 28), 40 * number, np.uint8), number))
    path.write_bytes(b"bad")
    arguments = ["evaluate", "r", "--data", "real", "--split", "all"]
    assert run(*arguments) == 2 and "4.bin" in capsys.readouterr().err
    with pytest.warns(UserWarning, match="1 bad recordings skipped"):
        assert run(*arguments, "--on-bad", "skip") == 0
    assert "of 3 recordings" in capsys.readouterr().out


def test_a_warning_is_one_line_without_a_path():
    assert cli.one_line("a file is bad", UserWarning, "/x/y.py", 3) == "warning: a file is bad\n"
    code = (
        "import argparse, warnings; from course_lib.run import cli\n"
        "parser = cli.Parser()\n"
        "parser.set_defaults(run=lambda options: warnings.warn('a file is bad'))\n"
        "cli.run(parser, [])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr == "warning: a file is bad\n"


def test_two_runs_in_one_folder_at_once_are_refused(capsys, tmp_path):
    assert run("train", "--method", "bptt", *SMALL, "--steps", 1, "--out", "r") == 0
    with alone(tmp_path / "r"):
        capsys.readouterr()
        assert run("train", "--resume", "r") == 2
        assert "r is in use: another process trains there" in capsys.readouterr().err
    left, other = tmp_path / "r/.history.csv.a1b2", tmp_path / "r/.mine.csv.a1b2"
    left.touch()  # as of a killed run
    other.touch()
    assert run("train", "--resume", "r", "--quiet") == 0
    assert not left.exists() and other.exists()


@pytest.mark.slow
def test_training_goes_on_where_nobody_reads_its_output(tmp_path):
    """As with ``train … | head -1``."""
    arguments = ["--method", "bptt", *map(str, SMALL), "--steps", "1", "--out", "r"]
    process = subprocess.Popen(
        [sys.executable, "-m", "course_lib", "train", *arguments], stdout=subprocess.PIPE
    )
    process.stdout.close()
    assert process.wait(timeout=600) == 0
    assert (tmp_path / "r" / "result.json").is_file()


def test_a_fault_of_the_course_is_one_line_and_its_traceback_a_file(capsys):
    def run_into(error):
        def fail(options):
            raise error

        parser = cli.Parser()
        parser.set_defaults(run=fail)
        return cli.run(parser, []), capsys.readouterr().err

    status, said = run_into(RuntimeError("this\nwent wrong"))
    assert status == 1 and len(said.splitlines()) == 1 and "course.py doctor" in said
    assert said.startswith("error: RuntimeError: this went wrong; this is a fault of the course")
    path = Path(re.search(r"report it with (\S+)", said)[1])
    assert "run_into" not in said and "in fail" in path.read_text(encoding="utf-8")
    path.unlink()
    for error in (MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")):
        assert run_into(error) == (2, "error: there is too little memory; choose smaller sizes\n")


def test_a_checkpoint_of_another_network_is_named(capsys):
    assert run("train", "--method", "bptt", *SMALL, "--steps", 1, "--out", "r") == 0
    for content in ({"x": 1}, {"network": RunConfig(hidden=(9,)).network().state_dict()}):
        save_checkpoint(Path("r/checkpoint.pt"), content)
        capsys.readouterr()
        assert run("evaluate", "r") == 2
        assert "checkpoint.pt holds no network of the sizes" in capsys.readouterr().err


def test_weights_that_are_not_finite_are_not_evaluated(capsys):
    assert run("train", "--method", "bptt", *SMALL, "--steps", 1, "--out", "r") == 0
    path = Path("r/checkpoint.pt")
    saved = load_checkpoint(path)
    saved["network"]["layers.1.bias"][0] = torch.nan
    save_checkpoint(path, saved)
    assert run("evaluate", "r") == 2
    assert "weights that are not finite" in capsys.readouterr().err


def test_an_empty_folder_name_is_refused(capsys, tmp_path):
    """As of a shell's variable that is not set: it would be the folder one is in."""
    with pytest.raises(SystemExit, match="2"):
        run("train", "--out", "")
    assert "--out: the folder's name is empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["a_file"]


def test_a_layer_whose_rate_is_0_stays_as_it_starts():
    options = [*SMALL, "--lr", 0.01, 0, "--steps", 2]
    assert run("train", "--method", "bptt", *options, "--out", "r") == 0
    config, network = load_network(Path("r"))
    starts = config.network().layers
    for layer, start, still in zip(network.layers, starts, (False, True), strict=True):
        assert torch.equal(layer.weight, start.weight) == still


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["train", "--data", "no/such/folder"], "no/such/folder"),
        (["train", "--shift", "-1"], "shift is -1"),
        (["train", "--lr", "0.1", "0.1", "0.1"], "lr has 3 values; give one, or one for each of 2"),
        (["train", "--lr", "0.0"], "lr is 0.0; every value must be a positive number"),
        (["train", "--lr", "0", "0"], "lr is (0.0, 0.0); every value must be a positive number"),
        (["train", "--until", "75"], "until is 75.0; expected a validation accuracy"),
        (["train", "--threads", "-1"], "threads is -1"),
        (["train", "--threads", "100000"], "threads is 100000; expected 1 to 1024"),
        (["train", "--hidden", "2000000"], "4,644,000,000 weights; at most"),
        (["train", "--method", "eggroll", "--rank", "100000000"], "rank is 100,000,000; at most"),
        (["train", "--out", "a_file/x", "--steps", "1"], "a_file"),
        (["train", "--population", "7"], "mirrored members come in pairs"),
        (["train", "--steps", "0"], "steps is 0"),
        (["train", "--method", "bptt", "--rank", "4"], "BPTT has no option rank; its options are"),
        (["train", "--method", "opzo", "--momentum", "1"], "momentum is 1.0"),
        (["train", "--device", "cuda:9"], "torch sees no GPU"),
        (["train", "--beta", "2"], "beta is 2.0"),
        (["train", "--sigma", "1", "2", "3"], "sigma has 3 values"),
        (["train", "--resume", "nowhere"], "nowhere is not the folder of a run"),
        (["evaluate", "nowhere"], "nowhere is not the folder of a run"),
        (["bench", "nothing"], "no benchmark nothing; there are frames"),
        (["compare", "nowhere"], "nowhere"),
        (["measure", "nowhere"], "nowhere"),
    ],
)
def test_user_errors_are_one_clear_line(arguments, message, capsys):
    assert run(*arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error and "Traceback" not in error


def test_a_damaged_run_says_so(capsys, tmp_path):
    (tmp_path / "config.json").write_text('{"method": "eggroll", "colour": 3}', encoding="utf-8")
    assert run("evaluate", tmp_path) == 2
    assert "damaged or of another version" in capsys.readouterr().err


def test_dead_networks_stop_with_advice(capsys):
    arguments = ["--method", "eggroll", "--weight-sd", "0.0001", "--population", 2, "--steps", 4,
                 "--out", "dead"]  # fmt: skip
    assert run("train", *SMALL, *arguments) == 1
    assert "hidden layer 1 is dead" in capsys.readouterr().err


def test_data_info(capsys):
    assert run("data", "info") == 0
    printed = capsys.readouterr().out
    assert "4,000 / 500 / 500" in printed and "T = 10" in printed


@pytest.mark.parametrize("command", ["--help", "evaluate --help", "data --help"])
def test_help_loads_no_torch(command):
    code = (
        "import sys; from course_lib.run.cli import main\n"
        f"try: main({command.split()!r})\n"
        "except SystemExit: pass\n"
        "print({'torch', 'numpy', 'numba'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "usage:" in result.stdout and result.stdout.strip().endswith("set()")


def test_help_of_train_has_examples_and_says_what_each_option_is():
    parser = cli.Parser(fill=cli.add_train)
    parser.parse_args([])
    actions = {action.dest: action for action in parser._actions}
    for name, method in METHODS.items():
        for option in method.options():
            action = actions.get(f"method.{option}", actions.get(option))
            assert action is not None, f"{name}: --{option} is missing"
            assert len(action.help) > 5, f"{name}: --{option} has no help"
    assert "eggroll" in actions["method.rank"].help and "default: 1" in actions["method.rank"].help
    assert "depends on the method" in actions["lr"].help
    assert "--method eggroll --rank 4" in cli.EXAMPLES


def test_wilson_interval():
    """For 8 of 10: 0.490 to 0.943 (Brown, Cai and DasGupta 2001, doi 10.1214/ss/1009213286)."""
    assert interval(0.8, 10) == pytest.approx((0.490, 0.943), abs=1e-3)
    low, high = interval(1.0, 500)
    assert 0.99 < low < 1 and high == pytest.approx(1)


def other_camera(folder, classes=("fist", "open hand", "wave"), sensor=(64, 48)):
    """Recordings of another camera, times in seconds: each class moves in a place of its own."""
    rng = np.random.default_rng(0)
    for number, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for k in range(20):
            x, p = rng.integers(0, sensor[0], 600), rng.integers(0, 2, 600)
            y = sensor[1] // len(classes) * number + rng.integers(0, sensor[1] // len(classes), 600)
            t = np.sort(rng.random(600)) / 3
            np.save(folder / name / f"{k}.npy", np.stack([t, x, y, p], 1))


@pytest.mark.parametrize("fit, inputs", [("scale", 2312), ("keep", 6144)])
def test_another_sensor_and_three_named_classes(fit, inputs, capsys, tmp_path):
    other_camera(tmp_path / "hands")
    camera = ["--sensor", 64, 48, "--unit", "s", "--order", "txyp", "--fit", fit]
    train = ["train", "--data", "hands", *camera, "--method", "bptt", *SMALL, "--steps", 40]
    assert run(*train, "--shift", 1, "--out", "r") == 0
    printed = capsys.readouterr().out
    assert f"{inputs}-8-3" in printed and "3 classes: fist, open hand, wave" in printed
    assert f"(guessing: {np.log(3):.3f})" in printed and "test accuracy       100.0%" in printed
    config = RunConfig.load(tmp_path / "r")
    assert config.sizes == (inputs, 8, 3) and config.classes == ("fist", "open hand", "wave")
    assert run("evaluate", "r", "--split", "all") == 0
    printed = capsys.readouterr().out
    assert "of 60 recordings" in printed and "answers fist … wave" in printed
    assert re.search(r"^open hand +0 +20 +0$", printed, re.M)
    other_camera(tmp_path / "more", classes=("wave", "fist"))  # numbered as in training
    assert run("evaluate", "r", "--data", "more", "--split", "all") == 0
    assert re.search(r"^wave +20 +0 +0$", capsys.readouterr().out, re.M)
    layers = ["--data", "hands", *camera, "--method", "bptt", "--layers", "p4", "c2k3", "p2"]
    assert run("train", *layers, 3, "--weight-sd", 1, "--steps", 2, "--out", "c") == 0
    assert "(guessing: 1.099)" in capsys.readouterr().out
    assert run("train", *layers, 10, "--steps", 2, "--out", "wrong") == 2
    assert "must end in 3, a neuron for each class" in capsys.readouterr().err
    assert run("evaluate", "r", "--data", "saccade-digits") == 2
    assert "the network" in capsys.readouterr().err
    assert run("data", "info", "hands", *camera) == 0
    assert "[4, 4, 4]" in capsys.readouterr().out
    assert run("train", "--data", "hands", "--out", "wrong") == 2  # nobody said of which camera
    assert "fist" in capsys.readouterr().err and not (tmp_path / "wrong").exists()

"""The training loop: determinism, resume after any interruption, clear stops."""

import contextlib
import dataclasses
import inspect
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from course_lib.checkpoints import TrainingStopped, load_checkpoint, save_checkpoint
from course_lib.estimators import EGGROLL, SurrogateBPTT
from course_lib.evaluation import evaluate
from course_lib.events import FrameSet
from course_lib.history import History
from course_lib.network import SpikingNetwork
from course_lib.schedule import Schedule, draw_batch
from course_lib.training import fit


def data(n=96, bins=4, seed=0):
    """Ten made-up classes: each lights a block of pixels of its own, plus noise."""
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % 10
    bits = generator.random((n, bins, 2312)) < 0.02
    for row, label in enumerate(labels):
        bits[row, :, 231 * label : 231 * label + 60] |= generator.random((bins, 60)) < 0.7
    return FrameSet(
        np.packbits(bits.reshape(n, -1), axis=1), torch.from_numpy(labels.astype(np.int64)), bins
    )


def setup(seed=0, **options):
    network = SpikingNetwork((2312, 16, 10), readout="membrane", seed=seed, **options)
    return network, torch.optim.Adam(network.parameters(), lr=0.01)


def run(estimator=None, network_options=None, **options):
    network, optimizer = setup(**(network_options or {}))
    estimator = estimator or EGGROLL(population=8, sigma=0.05)
    options = {"steps": 12, "batch_size": 16, "progress": False, **options}
    names = {field.name for field in dataclasses.fields(Schedule)}
    schedule = Schedule(**{name: options.pop(name) for name in names & options.keys()})
    history = fit(network, estimator, optimizer, data(), schedule, **options)
    return network, history


def weights(network):
    return torch.cat([p.detach().flatten() for p in network.parameters()])


@pytest.mark.parametrize("estimator", [SurrogateBPTT(), EGGROLL(population=8, sigma=0.05)])
def test_same_seed_same_bits_and_nothing_global_is_touched(estimator):
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    first, history = run(estimator, shift=1)
    second, again = run(estimator, shift=1)
    other, _ = run(estimator, shift=1, seed=1)
    assert torch.equal(weights(first), weights(second))
    assert [row["loss"] for row in history] == [row["loss"] for row in again]
    assert not torch.equal(weights(first), weights(other))
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert (np.random.get_state()[1] == numpy_state).all()


def test_training_learns():
    network, history = run(SurrogateBPTT(), steps=60, validation=data(seed=1), validate_every=20)
    steps, accuracy = history.column("validation_accuracy")
    assert steps == [20, 40, 60] and accuracy[-1] > 0.9
    assert history[-1]["samples"] == 60 * 16 and history[-1]["forward_passes"] == 60
    assert evaluate(network, data(seed=1)).accuracy == accuracy[-1]


def test_until_stops_at_the_first_validation_that_is_good_enough(tmp_path):
    options = {"validation": data(seed=1), "validate_every": 1, "steps": 12}
    whole, history = run(SurrogateBPTT(), **options)
    steps, accuracy = history.column("validation_accuracy")
    first = next(index for index, value in enumerate(accuracy) if value >= 0.5)
    assert 0 < first < len(steps) - 1, "it must come after the first and before the last"
    options["until"] = accuracy[first]
    network, cut = run(SurrogateBPTT(), folder=tmp_path, **options)
    assert cut[-1]["step"] == steps[first] and len(cut) == steps[first]
    assert [row["loss"] for row in cut] == [row["loss"] for row in history[: len(cut)]]
    assert evaluate(network, data(seed=1)).accuracy == accuracy[first]
    again, after = run(SurrogateBPTT(), folder=tmp_path, resume=True, **options)
    assert len(after) == len(cut) and torch.equal(weights(again), weights(network))
    assert len(run(SurrogateBPTT(), **options | {"until": 1.0, "steps": 2})[1]) == 2


def test_batches_are_a_function_of_seed_and_step_and_an_epoch_has_each_sample_once():
    whole = data(n=50)
    rows, room = [], whole.room(16)
    for step in range(3):  # 50 = 3 batches of 16 and 2 left out
        frames, labels = draw_batch(whole, step, 16, seed=3)
        again, _ = draw_batch(whole, step, 16, seed=3)
        assert torch.equal(frames, again) and frames.shape == (4, 16, 2312)
        assert torch.equal(frames, draw_batch(whole, step, 16, seed=3, out=room)[0])
        assert torch.equal(frames, room)
        for b in range(16):
            match = (whole.frames() == frames[:, b : b + 1]).all(dim=2).all(dim=0)
            rows.append(int(match.nonzero()))
            assert whole.labels[rows[-1]] == labels[b]
    assert len(set(rows)) == 48
    assert not torch.equal(draw_batch(whole, 0, 16, 3)[0], draw_batch(whole, 3, 16, 3)[0])
    shifted, _ = draw_batch(whole, 0, 16, seed=3, shift=2)
    assert not torch.equal(shifted, draw_batch(whole, 0, 16, seed=3)[0])
    assert len(draw_batch(whole, 7, 1000, seed=3)[1]) == 50


def test_channels_without_rows_are_shifted_along_themselves_alone():
    one = np.packbits(np.eye(1, 64, 30, dtype=np.uint8), axis=1)
    sound = FrameSet(np.tile(one, (99, 1)), torch.zeros(99, dtype=torch.int64), 1, (64, 1, 1))
    frames, _ = draw_batch(sound, 0, 99, seed=0, shift=1)
    assert frames.sum() == 99 and frames.sum((0, 1)).nonzero().flatten().tolist() == [29, 30, 31]


def test_learning_rate_decays_and_the_optimiser_is_left_with_the_last_rate():
    network, optimizer = setup()
    schedule = Schedule(steps=10, decay="linear")
    fit(network, SurrogateBPTT(), optimizer, data(), schedule, progress=False)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.01 * (1 - 0.9))


def test_seconds_limit_the_run(monkeypatch):
    """By a clock that says a quarter of a second more each time it is read: one step a quarter."""
    clock = SimpleNamespace(perf_counter=itertools.count(step=0.25).__next__, process_time=float)
    monkeypatch.setattr("course_lib.history.time", clock)
    _, history = run(steps=None, seconds=0.6)
    assert [line["seconds"] for line in history] == [0.25, 0.5, 0.75]


# ----------------------------------------------------------------------------- resume and interrupt


class Watched(EGGROLL):
    """EGGROLL that notes the steps it is asked for, and can press Ctrl-C within one."""

    def __init__(self, interrupt_at=None):
        super().__init__(population=8, sigma=0.05)
        self.interrupt_at, self.asked = interrupt_at, []

    def fill_grads(self, network, frames, labels, step=0):
        self.asked.append(step)
        if step == self.interrupt_at:
            signal.raise_signal(signal.SIGINT)
        return super().fill_grads(network, frames, labels, step)

    def __repr__(self):
        return "Watched"


def test_resume_after_ctrl_c_goes_on_and_ends_with_the_same_bits(tmp_path):
    """Ctrl-C within step 7 (counted from 0): the step is finished, saved, and not done again."""
    whole, whole_history = run(Watched(), validation=data(), validate_every=4)
    options = {"folder": tmp_path, "checkpoint_every": 100, "validation": data(),
               "validate_every": 4}  # fmt: skip
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run(Watched(interrupt_at=7), **options)
    assert signal.getsignal(signal.SIGINT) is before
    assert load_checkpoint(tmp_path / "checkpoint.pt")["step"] == 8
    (tmp_path / ".checkpoint.pt.half").touch()
    estimator = Watched()
    network, history = run(estimator, resume=True, **options)
    assert estimator.asked == [8, 9, 10, 11]
    assert torch.equal(weights(network), weights(whole))
    assert history.column("validation_loss") == whole_history.column("validation_loss")
    assert [row["step"] for row in history] == list(range(1, 13))
    assert History.load(tmp_path) == history
    assert len((tmp_path / "history.csv").read_text(encoding="utf-8").splitlines()) == 13
    assert not list(tmp_path.glob(".checkpoint*"))


def test_ctrl_c_within_the_optimisers_step_saves_a_whole_step(tmp_path):
    class Interrupted(torch.optim.Adam):
        def step(self, closure=None):
            signal.raise_signal(signal.SIGINT)
            return super().step(closure)

    network, _ = setup()
    optimizer = Interrupted(network.parameters(), lr=0.01)
    schedule = Schedule(steps=3, batch_size=16)
    with pytest.raises(KeyboardInterrupt):
        fit(network, Watched(), optimizer, data(), schedule, progress=False, folder=tmp_path)
    saved = load_checkpoint(tmp_path / "checkpoint.pt")
    assert saved["step"] == 1
    once, _ = run(Watched(), steps=3)
    again, adam = setup()
    again.load_state_dict(saved["network"])
    adam.load_state_dict(saved["optimizer"])
    first, _ = setup()
    fit(first, Watched(), torch.optim.Adam(first.parameters(), lr=0.01), data(),
        Schedule(steps=1, batch_size=16), progress=False)  # fmt: skip
    assert torch.equal(weights(again), weights(first)) and len(weights(once)) == len(weights(first))


def test_a_second_ctrl_c_ends_at_once_and_saves_nothing(tmp_path):
    class Stubborn(Watched):
        def fill_grads(self, network, frames, labels, step=0):
            signal.raise_signal(signal.SIGINT)
            return super().fill_grads(network, frames, labels, step)

    with pytest.raises(KeyboardInterrupt):
        run(Stubborn(interrupt_at=0), folder=tmp_path)
    assert not (tmp_path / "checkpoint.pt").exists()


def test_ctrl_c_at_any_line_of_the_loop_leaves_a_run_that_goes_on_to_the_same_bits(tmp_path):
    """Each line of fit from its loop on, pressed when it is reached for the third time (or the
    last, if it is not reached so often): a checkpoint is there, and resuming ends the same."""
    whole, _ = run(EGGROLL(population=2, sigma=0.05), steps=5, validation=data(n=10))

    def press_at(line, times, folder):
        seen = []

        def trace(frame, event, argument):
            if frame.f_code is not fit.__code__:
                return None
            if event == "line" and frame.f_lineno == line:
                seen.append(frame.f_locals["step"])
                if len(seen) == times:
                    signal.raise_signal(signal.SIGINT)
            return trace

        sys.settrace(trace)
        try:
            options = {"folder": folder, "checkpoint_every": 4, "resume": True}
            run(EGGROLL(population=2, sigma=0.05), steps=5, validation=data(n=10), **options)
        except KeyboardInterrupt:
            return seen[times - 1]
        finally:
            sys.settrace(None)
        return None

    source, first = inspect.getsourcelines(fit)
    start = first + next(n for n, text in enumerate(source) if "with deferred_interrupt" in text)
    end = first + next(n for n, text in enumerate(source) if text.startswith("    if interrupted"))
    pressed = 0
    for line in range(start + 1, end):
        for times in (3, 1):
            folder = tmp_path / f"{line}-{times}"
            done = press_at(line, times, folder)
            if done is not None:
                pressed += 1
                saved = load_checkpoint(folder / "checkpoint.pt")["step"]
                assert saved >= done, f"line {line}: step {done} was done and is lost"
                network, history = run(EGGROLL(population=2, sigma=0.05), steps=5, resume=True,
                                       folder=folder, validation=data(n=10))  # fmt: skip
                assert torch.equal(weights(network), weights(whole)), f"line {line}"
                assert len(history) == 5
                break
    assert pressed > 20


WORKER = """
    import os, sys, torch, traceback
    import torch._dynamo  # as an optimiser does at its first step, a second long
    sys.path.insert(0, sys.argv[1])
    import test_training
    from test_training import run, weights
    from course_lib.estimators import EGGROLL, SurrogateBPTT
    torch.set_num_threads(1)

    def train(folder):
        eggroll = sys.argv[2] == "eggroll"
        estimator = EGGROLL(population=64, sigma=0.05) if eggroll else SurrogateBPTT()
        fill, told = estimator.fill_grads, []
        def fill_grads(network, frames, labels, step):
            loss = fill(network, frames, labels, step)
            if not told:  # after the first step, which has loaded the compiled functions
                told.append(print(step, flush=True))
            return loss
        estimator.fill_grads = fill_grads
        network, _ = run(estimator, steps=150, folder=folder, checkpoint_every=3, resume=True)
        torch.save(weights(network), folder + "/final.pt.part")
        os.replace(folder + "/final.pt.part", folder + "/final.pt")  # a kill leaves no half of it
        print("done", flush=True)

    for line in sys.stdin:  # every run is a process of its own, which need not import torch again
        child = os.fork()
        if child == 0:
            status = 1
            try:
                print(os.getpid(), flush=True)
                train(line.strip())
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        print("ended", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system: not for CI")
@pytest.mark.parametrize("method", ["eggroll", "bptt"])
def test_killed_ten_times_and_resumed_ends_with_the_same_bits(tmp_path, method):
    """SIGKILL at random moments (seed 0) of training, until ten have fallen between the first
    checkpoint and the end. Every restart must go on from the checkpoint that the kill left."""
    script = tmp_path / "worker.py"
    script.write_text(textwrap.dedent(WORKER), encoding="utf-8")
    workers = subprocess.Popen(
        [sys.executable, str(script), os.path.dirname(__file__), method],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip

    def said():
        return workers.stdout.readline().strip()

    def start(folder):
        """The process's number and what it says first."""
        folder.mkdir(exist_ok=True)
        print(folder, file=workers.stdin, flush=True)
        return int(said()), said()

    def end():
        """The process's exit status, once it has ended: minus the signal that ended it."""
        while not (text := said()).startswith("ended"):
            assert text == "done", text
        return int(text.split()[1])

    def saved_step(folder):
        path = folder / "checkpoint.pt"
        return load_checkpoint(path)["step"] if path.exists() else 0

    with workers:
        _, first = start(tmp_path / "whole")
        assert first == "0" and end() == 0
        expected = torch.load(tmp_path / "whole" / "final.pt", weights_only=True)

        moments, kills, attempt = random.Random(0), 0, 0
        while kills < 10:
            attempt += 1
            assert attempt < 20, "training is over before it can be killed: make it longer"
            folder = tmp_path / f"killed-{attempt}"
            while not (folder / "final.pt").exists():
                at = saved_step(folder)
                process, first = start(folder)
                assert first == (str(at) if at < 150 else "done"), "the restart lost or redid steps"
                if kills < 10:
                    time.sleep(moments.uniform(0.0, 0.4))
                    with contextlib.suppress(ProcessLookupError):  # it has ended by itself
                        os.kill(process, signal.SIGKILL)
                status = end()
                assert status in (0, -signal.SIGKILL)
                kills += status != 0 and 0 < saved_step(folder) < 150
            assert torch.equal(torch.load(folder / "final.pt", weights_only=True), expected)
            history = json.loads((folder / "history.json").read_text(encoding="utf-8"))
            assert [row["step"] for row in history] == list(range(1, 151))
        workers.stdin.close()


def test_a_checkpoint_of_other_settings_is_refused(tmp_path):
    run(folder=tmp_path)
    with pytest.raises(ValueError, match="seed was 0 and is now 5"):
        run(folder=tmp_path, resume=True, seed=5)
    with pytest.raises(ValueError, match="estimator was .*EGGROLL.*is now .*SurrogateBPTT"):
        run(SurrogateBPTT(), folder=tmp_path, resume=True)


def test_damaged_checkpoints_say_what_to_do(tmp_path):
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(FileNotFoundError, match="before its first one; start it again"):
        load_checkpoint(path)
    save_checkpoint(path, {"step": 3})
    assert load_checkpoint(path)["step"] == 3
    whole = path.read_bytes()
    for damaged in (b"", b"hello", whole[: len(whole) // 2], whole[:-30]):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="damaged.*delete it"):
            load_checkpoint(path)
    save_checkpoint(path, {"version": 99})
    with pytest.raises(ValueError, match="has format 99"):
        load_checkpoint(path)


def test_one_flipped_bit_of_a_checkpoint_is_refused_by_name(tmp_path):
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"network": {"weight": torch.ones(50)}})
    whole = path.read_bytes()
    for place in range(0, len(whole), 37):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="checkpoint.pt is not a checkpoint.*damaged"):
            load_checkpoint(path)


def test_a_checkpoint_of_before_checksums_is_told(tmp_path):
    path = tmp_path / "checkpoint.pt"
    torch.save({"version": 1, "step": 3}, path)
    with pytest.raises(ValueError, match="missing as in old versions.*start the run again"):
        load_checkpoint(path)


def test_weights_that_are_not_finite_are_neither_trained_on_nor_evaluated(tmp_path):
    run(SurrogateBPTT(), steps=4, folder=tmp_path)
    saved = load_checkpoint(tmp_path / "checkpoint.pt")
    saved["network"]["layers.0.weight"][0, 0] = torch.nan
    save_checkpoint(tmp_path / "checkpoint.pt", saved)
    with pytest.raises(ValueError, match="weights that are not finite.*lower learning rate"):
        run(SurrogateBPTT(), steps=4, folder=tmp_path, resume=True)

    class Infinite(SurrogateBPTT):
        """The last step's gradient is finite, and what it makes of the weights is not."""

        def fill_grads(self, network, frames, labels, step=0):
            loss = super().fill_grads(network, frames, labels, step)
            if step == 3:
                network.layers[0].weight.data[0, 0] = torch.inf
            return loss

    with pytest.raises(TrainingStopped, match="after step 4 a weight is not finite"):
        run(Infinite(), steps=4)


def test_a_checkpoint_cannot_run_code(tmp_path):
    import pickle

    class Evil:
        def __reduce__(self):
            return (os.system, (f"touch {tmp_path}/harm",))

    (tmp_path / "checkpoint.pt").write_bytes(pickle.dumps({"version": Evil()}))
    with pytest.raises(ValueError, match="not a checkpoint"):
        load_checkpoint(tmp_path / "checkpoint.pt")
    assert not (tmp_path / "harm").exists()


# -------------------------------------------------------------------------------------------- stops


def test_a_dead_network_stops_with_advice(tmp_path):
    with pytest.raises(TrainingStopped, match="hidden layer 1 is dead.*--weight-sd"):
        run(network_options={"weight_sd": 1e-6}, validation=data(), validate_every=1)
    with pytest.raises(TrainingStopped, match="hidden layer 1 is dead"):
        run(network_options={"weight_sd": 1e-6}, validate_every=1)
    with pytest.raises(TrainingStopped, match="the output layer is dead"):
        network = SpikingNetwork((2312, 16, 10), weight_sd=(0.2, 1e-6))
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-9)
        fit(network, SurrogateBPTT(), optimizer, data(), Schedule(steps=2), progress=False)


def test_a_loss_that_is_not_finite_stops_with_advice():
    class Broken(SurrogateBPTT):
        def fill_grads(self, network, frames, labels, step=0):
            loss = super().fill_grads(network, frames, labels, step)
            if step == 3:
                network.layers[0].weight.grad[0, 0] = torch.nan
            return loss

    with pytest.raises(TrainingStopped, match="step 4 .*learning rate"):
        run(Broken())


@pytest.mark.parametrize(
    "options, message",
    [
        ({"steps": None}, "say how long to train"),
        ({"steps": 0}, "steps is 0"),
        ({"seconds": -1.0}, "seconds is -1.0"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"shift": -1}, "shift is -1"),
        ({"seed": -1}, "seed is -1"),
        ({"until": 0.5}, "until is 0.5; it takes a validation set"),
        ({"decay": "step"}, "choose one of none, linear, cosine"),
        ({"resume": True}, "resume needs the folder"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        run(**options)


def test_empty_sets_are_refused():
    network, optimizer = setup()
    empty = data().subset([])
    with pytest.raises(ValueError, match="training set is empty"):
        fit(network, SurrogateBPTT(), optimizer, empty, Schedule(steps=1))
    with pytest.raises(ValueError, match="no recording"):
        evaluate(network, empty)


def test_evaluation_counts():
    network, _ = run(SurrogateBPTT(), steps=30)
    result, whole = evaluate(network, data(), batch_size=7), data()
    answers = network(whole.frames()).argmax(dim=1)
    assert result.accuracy == (answers == whole.labels).float().mean().item() == pytest.approx(
        result.confusion.diag().sum().item() / result.count
    )
    assert result.count == 96
    hidden = network.record(whole.frames())[0].spikes.sum().item() / 96
    assert result.spikes == pytest.approx((hidden, 0))
    seen = network.record(whole.frames())[0].spikes.sum(dim=(0, 1))
    assert result.silent == ((seen == 0).sum().item(), network.sizes[-1])

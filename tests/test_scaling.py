"""Training shared among processes: the same bits, little traffic, and clear ends."""

import copy
import dataclasses
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
import torch.distributed as dist
from hypothesis import given
from hypothesis import strategies as st

from course_lib.checkpoints import TrainingStopped, load_checkpoint
from course_lib.estimators import EGGROLL, ES, ProjectedEGGROLL, SmoothEGGROLL, SurrogateBPTT
from course_lib.events import FrameSet
from course_lib.network import SpikingNetwork
from course_lib.run import cli
from course_lib.run.processes import Processes, ProcessLost
from course_lib.run.scaling import Shared, report, shares
from course_lib.schedule import Schedule
from course_lib.training import fit

SIZES = (2312, 12, 7, 10)
TIMEOUT = 300  # a busy machine makes these tests slow, never red


def cut(size, estimator):
    """The estimator with its draws cut into chunks of another size."""
    estimator.chunk = size
    return estimator


ESTIMATORS = {
    "11 draws": lambda: cut(1, EGGROLL(22, 0.05, rank=2)),
    "chunks of 3, not mirrored": lambda: cut(
        3, EGGROLL(13, 0.05, mirrored=False, shaping="z_score")
    ),
    "readable, chunks of 3, 3, 3 and 2": lambda: cut(3, EGGROLL(22, 0.05, kernel="readable")),
    "full rank, 5 draws": lambda: cut(1, ES(10, 0.05)),
    "a fitness for each sample, 7 draws": lambda: cut(1, ProjectedEGGROLL(14, 0.05)),
    "smooth, 11 draws": lambda: cut(1, SmoothEGGROLL(22, 0.05)),
}


def data(n=40, bins=4):
    generator = np.random.default_rng(0)
    bits = generator.random((n, bins, 2312)) < 0.07
    labels = torch.from_numpy(np.arange(n) % 10)
    return FrameSet(np.packbits(bits.reshape(n, -1), axis=1), labels, bins)


def train(estimator, agree=None, **options):
    """(weights, losses, seconds of the history) after six generations."""
    network = SpikingNetwork(SIZES, readout="membrane", weight_sd=(0.1, 0.5, 0.5))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    names = {field.name for field in dataclasses.fields(Schedule)}
    options = {"steps": 6, "batch_size": 8, "progress": False} | options
    if agree:
        options["agree"] = agree
    schedule = Schedule(**{name: options.pop(name) for name in names & options.keys()})
    history = fit(network, estimator, optimizer, data(), schedule, **options)
    weights = torch.cat([p.detach().flatten() for p in network.parameters()])
    return weights, history.column("loss")[1], history.column("seconds")[1]


# ------------------------------------------------------------------------------- several processes


def start(rank, size, work, folder, arguments):
    """A process of rank ``rank``; leaves what ``work`` returns in the folder."""
    torch.set_num_threads(1)
    store = dist.FileStore(f"{folder}/store", size)
    dist.init_process_group(
        "gloo", store=store, rank=rank, world_size=size, timeout=timedelta(seconds=60)
    )
    torch.save(work(rank, size, folder, *arguments), f"{folder}/result-{rank}.pt")
    dist.barrier()


def together(size, work, folder, *arguments):
    """What ``work(rank, size, folder, *arguments)`` returned in each of ``size`` processes."""
    context = get_context("spawn" if sys.platform == "win32" else "forkserver")
    if sys.platform != "win32":
        context.set_forkserver_preload(["course_lib.run.scaling", "course_lib.training"])
    started = [
        context.Process(target=start, args=(rank, size, work, str(folder), arguments), daemon=True)
        for rank in range(size)
    ]
    for process in started:
        process.start()
    while any(process.is_alive() for process in started):
        assert not any(process.exitcode for process in started), "see the traceback above"
        started[-1].join(0.05)
    return [torch.load(f"{folder}/result-{rank}.pt", weights_only=False) for rank in range(size)]


def three_and_all_processes(rank, size, folder):
    found = {}
    for number in (3, size):
        group = dist.new_group(range(number))
        if rank < number:
            for name, make in ESTIMATORS.items():
                processes = Processes(rank, number, group=group)
                shared = Shared(make(), processes, verify_every=4)
                weights, losses, _ = train(shared, shared.agree)
                found[number, name] = weights, losses, processes.received
    return found


@pytest.mark.slow
def test_three_and_four_processes_end_with_the_bits_of_one(tmp_path):
    torch.set_num_threads(1)
    found = together(4, three_and_all_processes, tmp_path)
    for name, make in ESTIMATORS.items():
        weights, losses, _ = train(make())
        for number in (3, 4):
            for rank in range(number):
                shared = found[rank][number, name]
                assert torch.equal(shared[0], weights), f"{name}, {number} processes"
                assert shared[1] == losses
    # 5 draws of 2 members: the largest share has 2. A message is 4 bytes a member and 8 of header;
    # at 3 of 6 generations there are 3 checksums of 8 bytes.
    for number in (3, 4):
        received = found[0][number, "full rank, 5 draws"][2]
        assert received == (number - 1) * (6 * (8 + 4 * 2 * 2) + 3 * 3 * 8)


def clocks_and_interrupts(rank, size, folder):
    shared = Shared(cut(1, EGGROLL(8, 0.05)), Processes(rank, size))
    train(shared, shared.agree)  # the first steps of a process are slow
    timed = train(shared, shared.agree, steps=None, seconds=1.0, decay="linear")
    shared = Interrupted(cut(1, EGGROLL(8, 0.05)), Processes(rank, size))
    own = Path(folder) / f"run-{rank}"
    try:
        train(shared, shared.agree, folder=own)
    except KeyboardInterrupt:
        return timed, load_checkpoint(own / "checkpoint.pt")["step"]


class Interrupted(Shared):
    """Ctrl-C reaches process 1 alone, in the second of six generations."""

    def fill_grads(self, network, frames, labels, step=0):
        if step == 1 and self.processes.rank == 1:
            signal.raise_signal(signal.SIGINT)
        return super().fill_grads(network, frames, labels, step)


def test_processes_agree_on_the_time_and_end_an_interrupted_run_at_the_same_step(tmp_path):
    """A run of 1 s on the lead's clock has the same number of steps, and the same rates, in all;
    an interrupt of one process is told with the next generation and ends all after it."""
    (first, stopped), (second, also_stopped) = together(2, clocks_and_interrupts, tmp_path)
    assert torch.equal(first[0], second[0]) and first[1:] == second[1:]
    assert first[2][-1] >= 1
    assert stopped == also_stopped == 3


def differences(rank, size, folder):
    network = SpikingNetwork(SIZES, readout="membrane")
    frames, labels = data().frames(range(8)), data().labels[:8]

    def message(change, estimator=None, verify_every=100, **batch):
        estimator = estimator or cut(1, EGGROLL(8, 0.05))
        shared = Shared(estimator, Processes(rank, size), verify_every)
        given = {"network": copy.deepcopy(network), "frames": frames, "labels": labels} | batch
        with torch.no_grad():
            change(given["network"])
        try:
            for step in range(3):
                shared.fill_grads(**given, step=step)
        except TrainingStopped as error:
            return str(error)
        return "none"

    def other(net):
        if rank == 2:
            net.layers[1].weight[3, 5] += 1e-6

    def same(net):
        pass

    changed = frames.flip(0) if rank == 1 else frames
    return [message(same), message(other), message(same, frames=changed),
            message(same, cut(1, EGGROLL(8, 0.05, seed=1 if rank == 1 else 0)))]  # fmt: skip


def test_processes_that_hold_other_numbers_say_so(tmp_path):
    for none, weights, batch, settings in together(3, differences, tmp_path):
        assert none == "none"
        assert "at step 1 process 2 holds other weights than process 0" in weights
        assert "process 1 holds other batch" in batch and "same data" in batch
        assert "process 1 holds other settings" in settings


def silence(rank, size, folder):
    processes = Processes(rank, size, group=dist.new_group(timeout=timedelta(seconds=1)))
    given_up, end = Path(folder) / "given up", time.monotonic() + 60
    if rank == 1:
        while not given_up.exists() and time.monotonic() < end:
            time.sleep(0.1)
        return given_up.exists()
    try:
        processes.all_gather(torch.zeros(1))
    except TrainingStopped as error:
        given_up.touch()
        return type(error), str(error)


def test_nobody_waits_longer_than_the_timeout_for_a_process_that_hangs(tmp_path):
    (kind, message), given_up_before_the_other_moved = together(2, silence, tmp_path)
    assert kind is ProcessLost and given_up_before_the_other_moved
    assert "process 0 of 2 lost another one" in message and "--max-restarts" in message


def lead_and_others(rank, size, folder):
    processes = Processes(rank, size, local_rank=rank)
    found = [processes.from_lead(lambda: f"from {rank}"),
             processes.all_gather(torch.tensor([rank])).tolist()]  # fmt: skip

    def fail():
        raise ValueError(f"bad in {rank}")

    for attempt in (lambda: processes.from_lead(fail), lambda: processes.in_turn(fail)):
        try:
            attempt()
        except (ValueError, SystemExit) as error:
            found.append(repr(error))
    run = Path(folder) / "run"
    if rank == 0:
        run.mkdir()
        (run / "checkpoint.pt").write_bytes(b"newest")
    with processes.folder(run) as own:
        found += [(own / "checkpoint.pt").read_bytes(), own == run]
    return [*found, own.exists()]


def test_the_lead_speaks_for_all_and_others_get_copies_of_its_checkpoint(tmp_path):
    lead, other = together(2, lead_and_others, tmp_path)
    assert lead == ["from 0", [[0], [1]], "ValueError('bad in 0')", "ValueError('bad in 0')",
                    b"newest", True, True]  # fmt: skip
    assert other == ["from 0", [[0], [1]], "SystemExit(2)", "SystemExit(2)",
                     b"newest", False, False]  # fmt: skip


# ------------------------------------------------------------------------------------- one process


@given(st.integers(0, 300), st.integers(1, 40), st.integers(1, 50))
def test_shares_are_whole_chunks_in_order_and_as_even_as_can_be(draws, chunk, processes):
    if -(-draws // chunk) < processes:
        with pytest.raises(ValueError, match=f"{draws} draws in chunks of {chunk} cannot"):
            shares(draws, chunk, processes)
        return
    cut = shares(draws, chunk, processes)
    assert len(cut) == processes and [d for share in cut for d in share] == list(range(draws))
    assert all(share.start % chunk == 0 for share in cut)
    chunks = [-(-len(share) // chunk) for share in cut]
    assert max(chunks) - min(chunks) <= 1


def test_one_process_alone_is_served_too(tmp_path):
    alone = Processes()
    assert alone.lead and alone.from_lead(lambda: 3) == alone.in_turn(lambda: 3) == 3
    assert alone.all_gather(torch.tensor([3])).tolist() == [[3]] and alone.received == 0
    with alone.folder(tmp_path) as folder:
        assert folder == tmp_path
    alone.remember("folder", "x")
    assert alone.recall("folder") is None


def test_methods_without_a_population_and_small_ones_are_refused():
    with pytest.raises(ValueError, match="SurrogateBPTT cannot be shared among 3 processes.*egg"):
        Shared(SurrogateBPTT(), Processes(0, 3))
    with pytest.raises(ValueError, match="128 draws in chunks of 8 .* among 17 .*--population"):
        Shared(EGGROLL(256), Processes(0, 17))
    with pytest.raises(ValueError, match="of 2 draws .* among 3 processes: raise --population"):
        Shared(ES(4), Processes(0, 3))


def test_the_report_says_what_travelled():
    shared = Shared(EGGROLL(64), Processes(0, 3))
    shared.generations, shared.processes.received = 10, 3440
    text = report(shared, SpikingNetwork((2312, 256, 10)))
    assert "3; each received 344 bytes a generation (a gradient: 2,378,792)" in text


# ------------------------------------------------------------------------------------ with torchrun

TRAIN = ["--method", "eggroll", "--weight-sd", "0.05", "0.6", "--hidden", "8", "--batch-size", "8",
         "--population", "40", "--steps", "120", "--validate-every", "60",
         "--checkpoint-every", "1", "--threads", "1", "--quiet"]  # fmt: skip


def torchrun(*arguments, restarts=0, wait=True, **options):
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2",
               "--standalone", "--max-restarts", str(restarts), "-m", "course_lib", "train",
               *arguments]  # fmt: skip
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | options.pop("env", {})
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               env=environment, **options)  # fmt: skip
    return (process.communicate(timeout=TIMEOUT)[0], process.returncode) if wait else process


def same_run(one, other):
    first, second = (load_checkpoint(folder / "checkpoint.pt") for folder in (one, other))
    assert first["settings"] == second["settings"] and first["step"] == second["step"]
    for name, tensor in first["network"].items():
        assert torch.equal(tensor, second["network"][name])
    losses = [[row["loss"] for row in found["history"]] for found in (first, second)]
    assert losses[0] == losses[1] and [row["step"] for row in first["history"]] == [
        row["step"] for row in second["history"]
    ]


def when_saved(folder, step, process):
    """Wait until the run's checkpoint has this step."""
    path, end = folder / "checkpoint.pt", time.monotonic() + TIMEOUT
    while not (path.is_file() and load_checkpoint(path)["step"] >= step):
        assert time.monotonic() < end and process.poll() is None, process.communicate()[0]
        time.sleep(0.02)


def kill(process, rank):
    """SIGKILL to the rank-th of torchrun's workers."""
    workers = psutil.Process(process.pid).children()
    (worker,) = [w for w in workers if w.environ().get("RANK") == str(rank)]
    worker.kill()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The run of one process that those below must equal."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    threads = torch.get_num_threads()
    assert cli.main(["train", *TRAIN, "--out", str(folder)]) == 0
    torch.set_num_threads(threads)
    return folder


@pytest.mark.slow
def test_torchrun_resumes_after_sigkill_to_the_same_bits(tmp_path, whole):
    """The lead is killed; torchrun starts both anew, and they find the run again."""
    folder = tmp_path / "runs" / "eggroll-rate-1"
    process = torchrun(*TRAIN, restarts=1, wait=False, cwd=tmp_path)
    when_saved(folder, 5, process)
    kill(process, 0)
    assert 5 <= load_checkpoint(folder / "checkpoint.pt")["step"] < 120
    output = process.communicate(timeout=TIMEOUT)[0]
    assert process.returncode == 0, output
    assert output.count("saccade digits:") == 2, "a restart"
    assert output.count("test accuracy") == 1 and len(list(folder.parent.iterdir())) == 1
    assert "processes           2; each received" in output and (folder / "summary.png").exists()
    same_run(whole, folder)


@pytest.mark.slow
def test_a_killed_process_ends_the_job_with_a_message_and_one_process_can_go_on(tmp_path, whole):
    folder = tmp_path / "run"
    process = torchrun(*TRAIN, "--out", "run", wait=False, cwd=tmp_path)
    when_saved(folder, 5, process)
    kill(process, 1)
    output = process.communicate(timeout=TIMEOUT)[0]
    assert process.returncode != 0 and load_checkpoint(folder / "checkpoint.pt")["step"] < 120
    assert "Signal 9 (SIGKILL)" in output, "torchrun's own report"
    assert re.search(r"^stopped: (process \d of 2 lost another|torchrun ends the)", output, re.M)
    assert "--max-restarts 3" in output and "folder: run" in output
    threads = torch.get_num_threads()
    assert cli.main(["train", "--resume", str(folder), "--quiet"]) == 0
    torch.set_num_threads(threads)
    same_run(whole, folder)


@pytest.mark.slow
def test_ctrl_c_at_torchrun_saves_and_the_run_goes_on(tmp_path, whole):
    for name in ("run", "second", "third"):  # one time in 20 it falls into a step saved anyway
        folder = tmp_path / name
        options = ["--checkpoint-every", "20", "--out", name]
        process = torchrun(*TRAIN, *options, wait=False, cwd=tmp_path)
        when_saved(folder, 20, process)
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=TIMEOUT)[0]
        assert output.count(f"interrupted; go on with: train --resume {name}") == 1, output
        if load_checkpoint(folder / "checkpoint.pt")["step"] % 20:
            break
    assert load_checkpoint(folder / "checkpoint.pt")["step"] % 20, "the step it fell into"
    output, status = torchrun("--resume", name, "--quiet", cwd=tmp_path)
    assert status == 0, output
    same_run(whole, folder)


@pytest.mark.slow
def test_a_restart_does_not_touch_a_run_of_other_settings(tmp_path, whole):
    shutil.copytree(whole, tmp_path / "run")
    before = (tmp_path / "run" / "checkpoint.pt").read_bytes()
    output, status = torchrun(*TRAIN, "--lr", "0.5", "--out", "run", restarts=1, cwd=tmp_path)
    assert status != 0 and "run holds a run already" in output
    assert output.count("run holds a run with other settings") >= 2, "torchrun's report repeats it"
    assert (tmp_path / "run" / "checkpoint.pt").read_bytes() == before

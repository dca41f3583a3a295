"""Compiled code that may not run, or that cannot be kept: plain torch, or a slower start, and one
line; never the end of the process."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from course_lib import compiling
from course_lib.estimators import EGGROLL, ES, LocalZO
from course_lib.fast import trust
from course_lib.network import SpikingNetwork
from course_lib.run.trial import try_kernels

#: what numba 0.60 does with an instruction that its LLVM does not know
UNKNOWN = """
import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

@intrinsic
def unknown(typing, x):
    def generate(context, builder, signature, args):
        kind = ir.FunctionType(ir.FloatType(), [ir.FloatType()])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.no.such.f32")
        return builder.call(function, args)
    return types.float32(types.float32), generate

@numba.njit
def run(x):
    return unknown(x)

run(numba.float32(1))
"""


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """As at the first start on a machine that nobody has tried."""
    monkeypatch.delenv("COURSE_KERNELS", raising=False)
    monkeypatch.setattr(trust, "PROVEN", {})
    monkeypatch.setattr(compiling, "cache_folder", lambda dispatcher: tmp_path)
    trust.why_not.cache_clear()
    yield monkeypatch
    trust.why_not.cache_clear()


def gradients(method):
    network = SpikingNetwork((20, 10, 4), weight_sd=0.4)
    frames = (torch.rand(5, 8, 20, generator=torch.Generator().manual_seed(0)) < 0.3).float()
    method.fill_grads(network, frames, torch.arange(8) % 4)
    return [parameter.grad for parameter in network.parameters()]


@pytest.mark.parametrize("death", ["import os; os.abort()", UNKNOWN, "raise ImportError('gone')"])
def test_a_child_that_dies_leaves_plain_torch(asked, death, capfd):
    asked.setattr(trust, "CHILD", death)
    pairs = [
        (EGGROLL(population=4), EGGROLL(population=4, kernel="readable")),
        (ES(population=4), ES(population=4, kernel="readable")),
        (LocalZO(seed=1), LocalZO(seed=1, kernel="readable")),
    ]
    for auto, readable in pairs:
        for got, expected in zip(gradients(auto), gradients(readable), strict=True):
            assert torch.equal(got, expected)
    with pytest.raises(ValueError, match="they failed with Numba"):
        gradients(EGGROLL(population=4, kernel="fused"))
    first, second = capfd.readouterr().err.splitlines()
    assert first.startswith("Trying the compiled kernels out (Numba ")
    assert second.startswith("Plain torch does the work of the compiled kernels, slower: ")

    asked.setattr(trust, "CHILD", "pass")  # the verdict is kept: nobody is asked again
    trust.why_not.cache_clear()
    assert "they failed" in trust.why_not()
    assert len(capfd.readouterr().err.splitlines()) == 1


def test_a_child_that_lives_is_asked_once(asked, capfd):
    asked.setattr(trust, "CHILD", "pass")
    assert trust.why_not() == ""
    trust.why_not.cache_clear()
    asked.setattr(trust, "CHILD", "import os; os.abort()")
    assert trust.why_not() == ""
    assert len(capfd.readouterr().err.splitlines()) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_child_that_is_killed_proves_nothing(asked):
    asked.setattr(trust, "CHILD", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert trust.why_not()
    trust.why_not.cache_clear()
    asked.setattr(trust, "CHILD", "pass")
    assert trust.why_not() == ""


def test_a_damaged_verdict_is_asked_for_anew(asked, tmp_path):
    asked.setattr(trust, "CHILD", "pass")
    assert trust.why_not() == ""
    for damage in ("", "[]", '{"why not": '):
        (note,) = tmp_path.glob("trust-*.json")
        note.write_text(damage, encoding="utf-8")
        trust.why_not.cache_clear()
        assert trust.why_not() == ""


def test_the_environment_decides_beforehand(asked):
    asked.setattr(trust, "CHILD", "raise SystemExit('asked')")
    for wish, answer in {"on": "", "off": "COURSE_KERNELS is off"}.items():
        asked.setenv("COURSE_KERNELS", wish)
        trust.why_not.cache_clear()
        assert trust.why_not() == answer
    asked.setenv("COURSE_KERNELS", "maybe")
    trust.why_not.cache_clear()
    with pytest.raises(ValueError, match="'maybe'; expected on or off"):
        trust.why_not()


@pytest.mark.slow
def test_the_kernels_pass_their_trial_here():
    try_kernels()


LESSONS = """
import gc
import torch
from numba.core.dispatcher import Dispatcher
from course_lib.estimators import METHODS
from course_lib.network import SpikingNetwork
from course_lib.run.trial import compile_all

def known():
    found = [d for d in gc.get_objects() if isinstance(d, Dispatcher)]
    return {(d.py_func.__qualname__, signature) for d in found for signature in d.signatures}

compile_all()
before = known()
for sizes in ((2312, 64, 10), (578, 32, 10), (2312, 128, 10)):
    frames = (torch.rand(10, 64, sizes[0]) < 0.05).float()
    for method in METHODS.values():
        options = {"population": 64} if "population" in method.options() else {}
        network = SpikingNetwork(sizes, readout="membrane")
        method.build(options).fill_grads(network, frames, torch.arange(64) % 10)
print(len(before) > 5, sorted(name for name, _ in known() - before))
"""


@pytest.mark.slow
def test_the_set_up_compiles_what_lessons_train():
    """So that nobody waits for it at the first use of a widget."""
    run = subprocess.run([sys.executable, "-c", LESSONS], capture_output=True, text=True)
    assert run.stdout == "True []\n", run.stdout + run.stderr[-2000:]


TWICE = """
from course_lib.compiling import compiled, is_kept

@compiled
def twice(x):
    return 2 * x

assert twice(4) == 8
answer = is_kept(twice), sum(twice.stats.cache_hits.values())
"""


@pytest.fixture
def script(tmp_path, monkeypatch):
    """A file with a compiled function, in a process that has said nothing yet."""
    path = tmp_path / "one.py"
    path.write_text(TWICE, encoding="utf-8")
    monkeypatch.setattr(compiling, "_said", [])
    return path


def run(script: Path, capsys) -> tuple[tuple[bool, int], list[str]]:
    """Whether the function is kept, how often it was found; what was said."""
    space = {"__name__": "one"}
    exec(compile(TWICE, script, "exec"), space)
    return space["answer"], capsys.readouterr().err.splitlines()


def test_a_cache_that_works_is_silent_and_used(script, capsys):
    assert run(script, capsys) == ((True, 0), [])
    assert run(script, capsys) == ((True, 1), [])


def test_a_full_disk_costs_time_only(script, capsys, monkeypatch):
    def full(self, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numba.core.caching.IndexDataCacheFile._open_for_write", full)
    answer, (line,) = run(script, capsys)
    assert answer == (False, 0) and "No space left on device" in line


def test_a_damaged_cache_is_made_anew(script, capsys):
    run(script, capsys)
    for damage in (b"", b"junk", None):
        for path in script.parent.glob("__pycache__/*.nb?"):
            path.write_bytes(path.read_bytes()[:-7] if damage is None else damage)
        assert run(script, capsys) == ((True, 0), [])


def test_no_folder_for_a_cache_costs_time_only(script, capsys):
    """Numba finds no place for functions that come from no file, as for those of a read-only course
    without a home."""
    answer, (line,) = run("<no file>", capsys)
    assert answer == (False, 0)
    assert line.startswith("Compiled code cannot be kept, so every start takes some seconds longer")

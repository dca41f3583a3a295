"""`align`: all methods beside one network that BPTT trains."""

import json
import math

import pytest
import torch

from course_lib.estimators import METHODS, OPZO, OTTT, LocalZO, SurrogateBPTT
from course_lib.events import FrameSet, load_splits
from course_lib.network import SpikingNetwork
from studies import __main__ as cli
from studies.align import options_of
from studies.alignment import look_on
from studies.measure import step_memory


@pytest.fixture(scope="module")
def data() -> FrameSet:
    return load_splits(progress=False).train


def small(seed=0):
    return SpikingNetwork((2312, 16, 12, 10), readout="membrane", seed=seed)


def test_the_network_is_trained_by_bptt_whoever_looks_on(data):
    networks = small(), small()
    options = {"steps": 3, "at": (0, 3), "repeats": 2, "batch_size": 8}
    opzo, ottt = OPZO(), OTTT()
    looks = list(look_on(networks[0], {"opzo": opzo, "ottt": ottt}, data, **options))
    list(look_on(networks[1], {"bptt": SurrogateBPTT(slope=2.5)}, data, **options))
    for a, b in zip(networks[0].parameters(), networks[1].parameters(), strict=True):
        assert torch.equal(a, b)
    assert [(look.method, look.step) for look in looks] == [
        ("opzo", 0), ("ottt", 0), ("opzo", 3), ("ottt", 3),
    ]  # fmt: skip
    assert all(len(look.layers) == 3 for look in looks)
    assert opzo.feedback[-1].any(), "a method that learns itself learns along"
    assert math.isnan(looks[0].layers[0].cosine) and not math.isnan(looks[2].layers[0].cosine)


def test_memory_grows_with_t_only_where_time_is_unrolled():
    """From T = 10 on, the block of time steps whose products online methods take together."""
    generator = torch.Generator().manual_seed(0)
    frames = (torch.rand(40, 4, 2312, generator=generator) < 0.1).float()
    labels = torch.zeros(4, dtype=torch.int64)
    grows = {}
    for method in (SurrogateBPTT(), LocalZO(), OTTT(), OPZO()):
        short, long = (step_memory(small(), method, frames[:t], labels) for t in (10, 40))
        grows[type(method).__name__] = long > short
    assert grows == {"SurrogateBPTT": True, "LocalZO": True, "OTTT": False, "OPZO": False}


def test_options_are_given_to_methods_that_have_them():
    for name, method in METHODS.items():
        assert isinstance(method.build(options_of(name)), method)
    assert options_of("opzo") == {"slope": 2.5} and options_of("eggroll") == {"population": 32}


def test_the_command(tmp_path, capsys):
    arguments = ["align", "--methods", "opzo", "localzo", "zo", "--hidden", "8", "8"]
    arguments += ["--steps", "2", "--repeats", "2", "--json"]
    arguments.append(str(tmp_path / "figures.json"))
    assert cli.main(arguments) == 0
    printed = capsys.readouterr().out
    for words in ("2312-8-8-10", "cosine with BPTT", "memory", "single-point ZO"):
        assert words in printed
    record = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert len(record["looks"]) == 9 and record["memory"]["opzo"][0] == record["memory"]["opzo"][1]
    assert record["looks"][0]["layers"][0]["cosine"] is None, "JSON has no nan"
    assert cli.main(["align", "--methods", "adam"]) == 2
    assert "no method adam to look on; choose from eggroll, es" in capsys.readouterr().err

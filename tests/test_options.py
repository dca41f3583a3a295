"""Methods are found in files, and flags are made from fields: one file is all a method takes."""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from course_lib import estimators
from course_lib.run import cli
from course_lib.run.options import add_method_options, add_settings, described, kind_of

TOY = '''
"""A toy: the readout's weights move against their sign."""

from dataclasses import dataclass

import torch

from course_lib.estimators import Estimator
from course_lib.estimators.base import check_batch


@dataclass
class Toy(Estimator):
    """Fill ``.grad`` by a multiple of the weights.

    pull: how strongly.
    """

    name, label, shown = "toy", "Toy", ("pull",)

    pull: float = 1.0

    def fill_grads(self, network, frames, labels, step=0):
        check_batch(network, frames, labels)
        for parameter in network.parameters():
            parameter.grad = self.pull * parameter.detach()
        return 0.0
'''


def test_a_toy_in_any_folder_is_trained_from_the_command_line(tmp_path):
    (tmp_path / "toy.py").write_text(TOY, encoding="utf-8")
    command = [sys.executable, "-m", "course_lib", "train", "--method", "toy", "--pull", "0.5",
               "--hidden", "8", "--steps", "2", "--out", "run", "--quiet"]  # fmt: skip
    environment = os.environ | {
        "COURSE_ESTIMATORS": str(tmp_path), "PYTHONPATH": str(Path(cli.__file__).parents[2]),
    }  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", cwd=tmp_path, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert "Toy, pull 0.5 · 2312-8-10, membrane readout" in done.stdout


@pytest.fixture
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(estimators, "OWN", str(tmp_path))
    monkeypatch.setattr(estimators, "__path__", [*estimators.__path__, str(tmp_path)])
    yield tmp_path
    for path in tmp_path.glob("*.py"):
        sys.modules.pop(f"course_lib.estimators.{path.stem}", None)


def test_a_method_of_ones_own_comes_after_those_of_the_course(own_folder):
    (own_folder / "a_toy.py").write_text(TOY, encoding="utf-8")
    (own_folder / "test_toy.py").write_text("1 / 0", encoding="utf-8")
    assert list(estimators.find_methods()) == [*estimators.ORDER, "toy"]


@pytest.mark.parametrize(
    "files, message",
    [
        ({"first.py": TOY, "second.py": TOY}, r"first\.py and .*second\.py both name .*'toy'"),
        ({"eggroll.py": TOY}, r"eggroll\.py and .*eggroll\.py have the same name; rename one"),
        ({"broken.py": "import nowhere"}, r"broken\.py cannot be imported: ModuleNotFoundError"),
    ],
)
def test_files_that_cannot_be_used_are_named(own_folder, files, message):
    for name, text in files.items():
        (own_folder / name).write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        estimators.find_methods()


# -------------------------------------------------------------------------------------------- flags


@dataclass
class Base:
    """What is shared.

    width: in pixels, 100 % of it. A second sentence is not help.
    """

    width: float = 0.5


@dataclass
class Settings(Base):
    """Text.

    rank:  r ≥ 1 (eq. 7) and
           more of it.
    names, on (both): for several.

    seed is in no line of its own: so this is no entry.
    """

    rank: int = 1
    names: tuple[str, ...] | None = None
    on: bool = True
    either: float | str = 0
    sizes: int | Sequence[int] = 3
    word: Literal["a", "b"] = "a"
    seed: int = 0
    rule: Callable | None = None
    inner: int = field(default=0, init=False)

    defaults = {}

    @classmethod
    def options(cls):
        return {name: found for name, found in cls.__dataclass_fields__.items() if found.init}


def test_help_is_the_first_sentence_of_a_fields_line():
    assert described(Settings) == {
        "width": "in pixels, 100 % of it", "rank": "r ≥ 1 (eq. 7) and more of it",
    }  # fmt: skip
    shared = described(Settings, shared=True)
    assert shared["names"] == shared["on"] == "for several"


@pytest.mark.parametrize(
    "given, name, value",
    [
        (["--rank", "3"], "rank", 3), (["--width", "2"], "width", 2.0), (["--no-on"], "on", False),
        (["--names", "a", "b"], "names", ["a", "b"]), (["--either", "0"], "either", 0.0),
        (["--either", "random"], "either", "random"), (["--sizes", "4"], "sizes", [4]),
        (["--word", "c"], "word", "c"), ([], "rank", None),
    ],
)  # fmt: skip
def test_a_flag_takes_what_its_annotation_says(given, name, value):
    parser = argparse.ArgumentParser()
    add_settings(parser, Settings)
    assert getattr(parser.parse_args(given), name) == value
    assert "100 %" in parser.format_help() and "--rule" not in parser.format_help()


def test_an_option_of_several_methods_is_one_flag():
    parser = argparse.ArgumentParser()
    add_method_options(parser, {"one": Settings, "two": Settings})
    helps = {action.dest: action.help for action in parser._actions}
    assert helps["method.rank"] == "one, two: r ≥ 1 (eq. 7) and more of it; default: 1"
    assert "method.seed" not in helps and "method.inner" not in helps
    with pytest.raises(ValueError, match="'width' of one has the name of a setting"):
        parser = argparse.ArgumentParser()
        parser.add_argument("--width")
        add_method_options(parser, {"one": Settings})


def test_an_annotation_of_several_values():
    assert kind_of(float | Sequence[float] | None) == (frozenset({float}), True)
    assert kind_of(dict[str, int]) == (frozenset(), False)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["train", "--popluation", "4"], "no option here; did you mean --population?"),
        (["train", "--method", "egroll"], "did you mean eggroll?"),
        (["train", "--readout", "rat"], "choose one of rate, membrane; did you mean rate?"),
        (["train", "--rank", "few"], "argument --rank: expected a whole number, not 'few'"),
        (["trian"], "did you mean train?"),
        (["evaluate", "r", "--splt", "all"], "did you mean --split?"),
    ],
)
def test_a_slip_gets_two_lines(arguments, message, capsys):
    try:
        status = cli.main(arguments)
    except SystemExit as end:
        status = end.code
    said = capsys.readouterr().err
    assert status == 2 and said.startswith("error: ") and message in said
    assert len(said.splitlines()) <= 2

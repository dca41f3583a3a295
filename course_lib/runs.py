"""A run: its settings with good defaults, the objects they describe, and the folder it leaves.

    runs/<name>/config.json     the settings
                checkpoint.pt   the newest state (network, optimiser, history)
                history.csv/.json, result.json, summary.png
"""

import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path

import torch

from course_lib.checkpoints import load_checkpoint
from course_lib.estimators import EGGROLL, ES, Estimator, SurrogateBPTT
from course_lib.events import Splits, concatenate, load_splits
from course_lib.events.files import write_atomic
from course_lib.lif import LIFParameters
from course_lib.network import READOUTS, SpikingNetwork, per_layer

METHODS = ("eggroll", "es", "bptt")


@dataclass
class RunConfig:
    """Everything that shapes a run. ``None`` means: the method's default, filled in at once."""

    method: str = "eggroll"
    data: str = "saccade-digits"
    hold_out: str | None = None
    on_bad: str = "error"
    validation: bool = True
    bins: int = 10
    hidden: tuple[int, ...] = (256,)
    readout: str | None = None
    beta: float | None = None
    threshold: float = 1.0
    reset: str = "zero"
    reset_delay: bool = False
    logit_scale: float | None = None
    weight_sd: tuple[float, ...] | None = None
    rank: int = 1
    sigma: tuple[float, ...] | None = None
    population: int = 256
    shaping: str = "centred_ranks"
    mirrored: bool = True
    chunk: int = 8
    surrogate: str = "fast_sigmoid"
    slope: float = 10.0
    lr: float | None = None
    decay: str = "cosine"
    batch_size: int | None = None
    shift: int | None = None
    steps: int | None = None
    seconds: float | None = None
    seed: int = 0

    def __post_init__(self):
        if self.method not in METHODS:
            raise ValueError(f"method is {self.method!r}; choose one of {', '.join(METHODS)}")
        for name in ("hidden", "sigma", "weight_sd"):
            value = getattr(self, name)
            if value is not None:
                setattr(self, name, tuple(value) if isinstance(value, list | tuple) else (value,))
        table = BPTT_DEFAULTS if self.method == "bptt" else ES_DEFAULTS
        self.readout = self.readout or table["all"]["readout"]
        if self.readout not in READOUTS:
            raise ValueError(f"readout is {self.readout!r}; choose one of {', '.join(READOUTS)}")
        for name, value in {**table["all"], **table[self.readout]}.items():
            if name in ("weight_sd", "sigma"):  # tables give the first and the last layer
                middle = None if name == "weight_sd" else value[1]  # None: by number of inputs
                value = (value[0], *[middle] * (len(self.hidden) - 1), value[1])
            if getattr(self, name) is None and not (name == "steps" and self.seconds is not None):
                setattr(self, name, value)
        for name in ("steps", "seconds", "batch_size"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} is {value}; it must be positive")
        for name in ("sigma", "weight_sd"):
            per_layer(name, _one_or_all(getattr(self, name)), len(self.hidden) + 1)

    def network(self) -> SpikingNetwork:
        neuron = LIFParameters(self.beta, self.threshold, self.reset, self.reset_delay)
        sizes = (2312, *self.hidden, 10)
        return SpikingNetwork(
            sizes, neuron, self.readout, self.logit_scale, _one_or_all(self.weight_sd), self.seed
        )

    def estimator(self) -> Estimator:
        if self.method == "bptt":
            return SurrogateBPTT(self.surrogate, self.slope)
        common = {
            "population": self.population, "sigma": _one_or_all(self.sigma), "seed": self.seed,
            "shaping": self.shaping, "mirrored": self.mirrored,
        }  # fmt: skip
        if self.method == "es":
            return ES(**common)
        return EGGROLL(**common, rank=self.rank, chunk=self.chunk)

    def optimizer(self, network: SpikingNetwork) -> torch.optim.Optimizer:
        return torch.optim.Adam(network.parameters(), lr=self.lr)

    def splits(self, **options) -> Splits:
        """The data; with ``validation=False`` its training set includes the validation set."""
        splits = load_splits(
            self.data, self.bins, hold_out=self.hold_out, on_bad=self.on_bad, **options
        )
        if not self.validation:
            splits = splits._replace(train=concatenate(splits.train, splits.validation))
        return splits

    def title(self) -> str:
        """One line for people: method and network."""
        detail = {
            "eggroll": f"EGGROLL, rank {self.rank}, population {self.population}",
            "es": f"full-rank ES, population {self.population}",
            "bptt": f"BPTT, surrogate {self.surrogate}",
        }[self.method]
        sizes = "-".join(str(size) for size in (2312, *self.hidden, 10))
        return f"{detail} · {sizes}, {self.readout} readout, T = {self.bins}"

    def save(self, folder: Path) -> None:
        text = json.dumps(dataclasses.asdict(self), indent=2).encode()
        write_atomic(folder / "config.json", lambda stream: stream.write(text))

    @classmethod
    def load(cls, folder: Path) -> "RunConfig":
        """Raises FileNotFoundError or ValueError if the folder holds no run."""
        path = Path(folder) / "config.json"
        if not path.is_file():
            raise FileNotFoundError(f"{folder} is not the folder of a run: it has no config.json")
        try:
            return cls(**json.loads(path.read_text()))
        except (TypeError, json.JSONDecodeError) as error:
            raise ValueError(f"{path} is damaged or of another version: {error}") from error


# Chosen on the validation set of the saccade digits. The readouts need different starts: spiking
# outputs must fire before fitness can tell members apart, leaky ones do better small.
BPTT_DEFAULTS = {
    "rate": {"beta": 0.95, "logit_scale": 10.0, "weight_sd": (0.025, 0.1)},
    "membrane": {"beta": 0.9, "logit_scale": 10.0, "weight_sd": (0.025, 0.01)},
    "all": {"readout": "membrane", "lr": 0.003, "batch_size": 64, "shift": 1, "steps": 800},
}
ES_DEFAULTS = {
    "rate": {"beta": 0.95, "logit_scale": 3.0, "weight_sd": (0.04, 0.2), "sigma": (0.014, 0.05)},
    "membrane": {
        "beta": 0.9, "logit_scale": 2.0, "weight_sd": (0.025, 0.06), "sigma": (0.014, 0.03),
    },
    "all": {"readout": "rate", "lr": 0.01, "batch_size": 64, "shift": 0, "steps": 600},
}  # fmt: skip


def load_network(folder: Path) -> tuple[RunConfig, SpikingNetwork]:
    """The settings of a run and its network as last saved."""
    config = RunConfig.load(folder)
    network = config.network()
    network.load_state_dict(load_checkpoint(Path(folder) / "checkpoint.pt")["network"])
    return config, network


def new_folder(config: RunConfig, root: Path = Path("runs")) -> Path:
    """A folder name that is not taken: runs/<method>-<readout>-<number>, made at once."""
    number = 1
    while True:
        folder = root / f"{config.method}-{config.readout}-{number}"
        try:
            os.makedirs(folder)
            return folder
        except FileExistsError:
            number += 1


def _one_or_all(values: tuple[float, ...] | None):
    return values[0] if values is not None and len(values) == 1 else values

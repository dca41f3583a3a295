"""A run: its settings with good defaults, the objects they describe, and the folder it leaves.

    runs/<name>/config.json     the settings
                checkpoint.pt   the newest state (network, optimiser, estimator, history)
                history.csv/.json, result.json, summary.png
"""

import dataclasses
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import torch

from course_lib import estimators  # all methods are loaded when METHODS is asked for
from course_lib.estimators.base import Estimator, check_choice, check_layers
from course_lib.events import Splits, concatenate, load_splits
from course_lib.events.files import try_lock, write_atomic
from course_lib.events.frameset import DIGITS
from course_lib.events.own import NMNIST, Camera
from course_lib.events.sources import find_source
from course_lib.layers import Conv, Layer, stack
from course_lib.lif import LIFParameters
from course_lib.network import READOUTS, SpikingNetwork, per_layer
from course_lib.schedule import Schedule

#: what a run writes into its folder
FILES = (
    "config.json", "checkpoint.pt", "history.csv", "history.json", "result.json", "summary.png",
)  # fmt: skip
#: weights of a network, and numbers of a method, beyond which memory would be asked for in vain
MOST_WEIGHTS = 2**29
MOST = {"rank": 2**16, "samples": 2**16, "population": 2**26}
MOST_THREADS = 1024
_possible: set[str] = set()  # networks that could be made


@dataclass
class RunConfig(Schedule):
    """Everything that shapes a run. ``None`` means: the method's default, filled in at once.

    method: how ``.grad`` is filled.
    options: of the method's estimator, such as {"rank": 4}.
    data: "saccade-digits", "fashion", "fashion-latency", "speech:PATH", "nmnist", a folder, or
      MNIST as .npz.
    hold_out: a folder of real recordings, whose digits are left out.
    on_bad: what to do about a damaged recording: "error" or "skip".
    sensor: width and height of the camera in pixels, for a folder of its recordings.
    unit: of its times: "ns", "us", "ms" or "s".
    order: of its columns where they have no names, such as txyp.
    fit: "scale" or "crop" it to 34 x 34 pixels, or "keep" its own.
    classes: their names in the order of the labels; default: those that the data have.
    validation: keep the validation recordings apart; else train on them, too.
    bins: T, time bins a recording.
    hidden: sizes of the hidden layers.
    layers: in place of hidden; c8k5 p2 10: 8 maps (kernels of 5 x 5), means of 2 x 2, 10 neurons;
        c8k5n: normalised (tDBN).
    readout: "rate" or "membrane".
    beta: membrane leak, 0 to 1, one or one per layer.
    threshold: of the voltage, one or one per layer.
    reset: "zero" or "subtract".
    reset_delay: reset one step after the spike.
    logit_scale: logits = scale · output.
    weight_sd: standard deviation of the initial weights, one or one per layer.
    lr: Adam's learning rate, one or one per layer; 0 leaves a layer as it starts.
    seed: of the first weights, the batches and the method's noise.
    device: "cpu" or "cuda".
    threads: of the CPU; if not given, one for each core.

    Raises ValueError for settings that cannot work.
    """

    method: str = "projected"
    options: dict[str, Any] = field(default_factory=dict)
    data: str = "saccade-digits"
    hold_out: str | None = None
    on_bad: str = "error"
    sensor: tuple[int, ...] | None = None
    unit: str = "us"
    order: str = "xytp"
    fit: str = "scale"
    classes: tuple[str, ...] | None = None
    validation: bool = True
    bins: int = 10
    hidden: tuple[int, ...] | None = None
    layers: tuple[str, ...] | None = None
    readout: str | None = None
    beta: float | tuple[float, ...] | None = None
    threshold: float | tuple[float, ...] = 1.0
    reset: str = "zero"
    reset_delay: bool = False
    logit_scale: float | None = None
    weight_sd: tuple[float, ...] | None = None
    lr: float | tuple[float, ...] | None = None
    batch_size: int | None = None
    shift: int | None = None
    device: str = "cpu"
    threads: int | None = None

    def __post_init__(self):
        check_choice("method", self.method, estimators.METHODS)
        for name in ("weight_sd", "lr", "beta", "threshold"):
            setattr(self, name, _one_or_all(getattr(self, name)))
        self.sensor = tuple(self.sensor) if self.sensor else None
        self.classes = tuple(self.classes) if self.classes else None
        self.options = {name: _one_or_all(value) for name, value in self.options.items()}
        defaults = estimators.METHODS[self.method].defaults
        if self.layers:
            self.layers = tuple(self.layers)
            hidden = tuple(layer.outputs for layer in self._layers("meta")[:-1])
            if self.hidden and tuple(self.hidden) != hidden:
                raise ValueError("layers and hidden are both given; they say the same, so give one")
            self.hidden = hidden
        self.hidden = tuple(self.hidden or defaults["any"]["hidden"])
        self.readout = self.readout or defaults["any"]["readout"]
        check_choice("readout", self.readout, READOUTS)
        defaults = {**defaults["any"], **defaults[self.readout]}
        if self.seconds is not None:
            del defaults["steps"]
        if "sigma" in defaults:
            first, last = defaults.pop("sigma")
            self.options = {"sigma": (first, *[last] * len(self.hidden))} | self.options
        if isinstance(defaults["lr"], tuple):
            hidden, last = defaults["lr"]
            defaults["lr"] = (*[hidden] * len(self.hidden), last)
        first, last = defaults["weight_sd"]
        if self.layers and isinstance(self._layers("meta")[0], Conv):
            first = None  # it suits a neuron that sees all pixels
        defaults["weight_sd"] = (first, *[None] * (len(self.hidden) - 1), last)
        for name, value in defaults.items():
            if getattr(self, name) is None:
                setattr(self, name, value)
        self._check()

    def _check(self) -> None:
        super().__post_init__()
        if self.threads is not None and not 1 <= self.threads <= MOST_THREADS:
            raise ValueError(f"threads is {self.threads}; expected 1 to {MOST_THREADS}")
        layers, sizes = self._layers("meta"), self.sizes
        matrices = [layer.weight.shape for layer in layers] or pairwise(sizes)
        weights = sum(map(math.prod, matrices))
        if weights > MOST_WEIGHTS:
            raise ValueError(
                f"hidden is {self.hidden}: {weights:,} weights; at most {MOST_WEIGHTS:,} fit here"
            )
        method = estimators.METHODS[self.method]
        check_layers(method, layers)
        method.check_maps(self._maps)
        known = self.classes or find_source(self.data)[0].classes
        if layers and known and layers[-1].outputs != len(known):
            raise ValueError(f"layers are {' '.join(self.layers)}; they must end in {len(known)}, "
                             "a neuron for each class")  # fmt: skip
        for name, most in MOST.items():
            if isinstance(value := self.options.get(name), int) and value > most:
                raise ValueError(f"{name} is {value:,}; at most {most:,} are possible here")
        if self.until is not None and not self.validation:
            raise ValueError(f"until is {self.until}; it takes a validation set")
        if self.device != "cpu" and not torch.cuda.is_available():
            raise ValueError(f"device is {self.device!r}, but torch sees no GPU here; use cpu")
        rates = self.lr
        if isinstance(rates, tuple) and any(rates):
            rates = tuple(rate or 1.0 for rate in rates)  # 0 leaves a layer as it starts
        per_layer("lr", rates, len(self.hidden) + 1)
        if "sigma" in self.options:
            per_layer("sigma", self.options["sigma"], len(self.hidden) + 1)
        said = repr((self._maps, self.sizes, self.layers, self.beta, self.threshold, self.reset,
                     self.reset_delay, self.readout, self.logit_scale, self.weight_sd))  # fmt: skip
        if said not in _possible:  # to draw the same weights for each run of a study takes seconds
            self.network()
            _possible.add(said)
        self.estimator()

    @property
    def camera(self) -> Camera:
        """How a folder's recordings are to be read."""
        return Camera(self.sensor or NMNIST.sensor, self.unit, self.order, self.fit)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Of the network's layers, from the sensor's pixels to the classes."""
        return (math.prod(self._maps), *self.hidden, len(self.names))

    @property
    def names(self) -> tuple[str, ...]:
        """Of the classes: those given, else the data's; ten digits until the data are read."""
        return self.classes or find_source(self.data)[0].classes or DIGITS

    @property
    def _maps(self) -> tuple[int, int, int]:
        """Of the frames: polarities, rows, columns."""
        sensor = find_source(self.data)[0].sensor if self.camera == NMNIST else self.camera.pixels
        return sensor[::-1]

    def _layers(self, device: str = "cpu") -> list[Layer]:
        """Those that are described, if any; on "meta" without memory for their weights."""
        with torch.device(device):
            return stack(" ".join(self.layers), self._maps) if self.layers else []

    def network(self) -> SpikingNetwork:
        neuron = LIFParameters(self.beta, self.threshold, self.reset, self.reset_delay)
        return SpikingNetwork(
            self.sizes, neuron, self.readout, self.logit_scale, self.weight_sd, self.seed,
            self._layers(),
        )  # fmt: skip

    def estimator(self) -> Estimator:
        method = estimators.METHODS[self.method]
        seed = {"seed": self.seed} if "seed" in method.options() else {}
        return method.build(seed | self.options)

    def optimizer(self, network: SpikingNetwork) -> torch.optim.Optimizer:
        if isinstance(self.lr, float | int):
            return torch.optim.Adam(network.parameters(), lr=self.lr)
        layers = zip(network.layers, self.lr, strict=True)
        return torch.optim.Adam([{"params": layer.parameters(), "lr": lr} for layer, lr in layers])

    def splits(self, **options) -> Splits:
        """The data; with ``validation=False`` its training set includes the validation set."""
        splits = load_splits(
            self.data, self.bins, hold_out=self.hold_out, on_bad=self.on_bad,
            camera=self.camera, classes=self.classes, **options,
        )  # fmt: skip
        if not self.validation:
            splits = splits._replace(train=concatenate(splits.train, splits.validation))
        return splits

    def title(self) -> str:
        """One line for people: method and network."""
        method, estimator = estimators.METHODS[self.method], self.estimator()
        shown = "".join(f", {name} {getattr(estimator, name)}" for name in method.shown)
        sizes = "-".join(self.layers or map(str, self.sizes))
        return f"{method.label}{shown} · {sizes}, {self.readout} readout, T = {self.bins}"

    def save(self, folder: Path) -> None:
        write_atomic(folder / "config.json", json.dumps(dataclasses.asdict(self), indent=2))

    @classmethod
    def load(cls, folder: Path) -> "RunConfig":
        """Raises FileNotFoundError or ValueError if the folder holds no run."""
        path = Path(folder) / "config.json"
        if not path.is_file():
            raise FileNotFoundError(f"{folder} is not the folder of a run: it has no config.json")
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (TypeError, ValueError) as error:  # an option that methods no longer have, say
            raise ValueError(
                f"{path} is damaged or of another version, or does not work here: {error}"
            ) from error


def load_network(folder: Path) -> tuple[RunConfig, SpikingNetwork]:
    """The settings of a run and its network as last saved."""
    from course_lib.checkpoints import load_checkpoint  # what trains without saving goes without

    config, path = RunConfig.load(folder), Path(folder) / "checkpoint.pt"
    network, saved = config.network(), load_checkpoint(path)
    try:
        network.load_state_dict(saved["network"])
    except (LookupError, RuntimeError, TypeError) as error:
        raise ValueError(
            f"{path} holds no network of the sizes that {Path(folder) / 'config.json'} names; they "
            "are of different runs"
        ) from error
    return config, network


def new_folder(config: RunConfig) -> Path:
    """A folder name that is not taken: runs/<method>-<readout>-<number>, made at once."""
    for number in count(1):
        folder = Path("runs") / f"{config.method}-{config.readout}-{number}"
        with suppress(FileExistsError):
            folder.mkdir(parents=True)
            return folder


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Within the block, no other process is within such a block for the same folder.

    Raises ValueError if one is. A process that is killed lets go.
    """
    with open(folder / ".lock", "w", encoding="utf-8") as stream:
        if not try_lock(stream):
            raise ValueError(
                f"{folder} is in use: another process trains there. Wait for it, or choose another "
                "--out"
            )
        for name in FILES:
            for left in folder.glob(f".{name}.*"):
                left.unlink()  # half a file that a killed run left behind
        yield


def _one_or_all(value):
    """The number of a list of one; a longer list as a tuple (as JSON knows none)."""
    if isinstance(value, list | tuple):
        return value[0] if len(value) == 1 else tuple(value)
    return value

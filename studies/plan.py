"""What a study is, and the runs that it takes.

Every row gets a search of the same length. Each choice is tried by whole runs, one for each of
SEARCH_SEEDS. (Half as long, trials favoured learning rates that were too high for whole runs.) The
declared choices come first, then MORE that follow the best so far: one step beyond it as long as it
lies at an end of what was tried, else halfway to a neighbour (see ``further``). The highest mean
validation accuracy wins, the lower validation loss where two are equal. Then come the final runs,
one a seed, from FIRST_SEED on (from 1 if nothing is searched): seeds that the search has not seen.
Only these read the test set, once each.
"""

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from course_lib.events.sources import SOURCES
from course_lib.run.runs import RunConfig

SEARCH_SEEDS = (0, 1)
#: trials of a row beyond those that are declared
MORE = 4
#: runs with seeds 1 to 3 were seen while the search took its shape, so they count no longer
FIRST_SEED = 4
RULE = (
    "highest mean validation accuracy; of equal ones the lowest validation loss; of these trials "
    f"{MORE} follow the best so far, one step beyond the end of what was tried, else halfway to a "
    "neighbour"
)
#: raised when the same settings come to mean other numbers, so that old runs are not taken for new
VERSION = 1
#: ends the name of a study's results on another test set
OTHER_TEST = "-test-digits"
#: sources that come with the course, so that no ``--data`` names them
CARRIED = ("saccade-digits", "fashion", "fashion-latency")
#: settings that shape a run's numbers; its data is named by the study's source
SHAPING = (
    "method", "hold_out", "bins", "hidden", "readout", "beta", "threshold", "reset", "reset_delay",
    "logit_scale", "weight_sd", "lr", "decay", "batch_size", "shift", "steps", "seed", "device",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """label: unique within its group; settings: fields of RunConfig, on top of the study's;
    search: in place of the study's;
    like: name of another row, whose search chooses for this one, too;
    path: who trains, where the kind is "alignment": see ``alignment.along``."""

    label: str
    settings: dict[str, Any]
    group: str = ""
    search: tuple[dict[str, Any], ...] | None = None
    path: str | None = None
    like: str | None = None

    @property
    def name(self) -> str:
        return f"{self.group} · {self.label}" if self.group else self.label


@dataclass(frozen=True)
class Study:
    """Everything that defines a study.

    title, question: for people.    rows: see ``Row``.    settings: shared by all rows.
    search:   what is tried, a dict of settings and options for each trial.
    seeds:    how many final runs a row has unless the command says otherwise.
    source:   "saccade-digits", "fashion" or "fashion-latency"; "speech": the command needs
              ``--data``; "nmnist": the command then takes ``--data``; "whole-nmnist": it
              needs that; or "transfer": trained on the first, tested on all of ``--data``, whose
              digits are left out of the first.
    data:     which recordings these are, where they are the user's own. Part of a run's key.
    test:     what the test set is, where it is another than the source's. Part of the key, too.
    fitted:   to which test recordings the simulator was fitted, as ``inference.packed`` writes it.
    kind:     how a run is made and shown: "training", "alignment", "sparsity", "map", "layers"
              or "updates".
    columns:  of the table, keys of ``tables.COLUMNS``. "difference" is that from the first row of
              the group, seed by seed.

    Raises ValueError if rows share a name, are like a row that is not there, or if the search is
    not of equal effort for all.
    """

    name: str
    title: str
    question: str
    rows: tuple[Row, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    search: tuple[dict[str, Any], ...] = ()
    seeds: int = 3
    source: str = "saccade-digits"
    data: str = ""
    test: str = ""
    fitted: str = ""
    kind: str = "training"
    columns: tuple[str, ...] = (
        "chosen", "accuracy", "difference", "cpu", "memory", "forward", "spikes",
    )  # fmt: skip

    def __post_init__(self):
        names = [row.name for row in self.rows]
        if len(set(names)) < len(names):
            raise ValueError(f"study {self.name}: two rows have the same name")
        lost = {row.like for row in self.rows if row.like} - set(names)
        if lost:
            raise ValueError(f"study {self.name}: rows are like {', '.join(lost)}, which is no row")
        trials = {row.name: len(self.choices(row)) for row in self.rows}
        if len(set(trials.values())) > 1:
            raise ValueError(f"study {self.name}: the search is not equal for all rows: {trials}")

    def searched(self, row: Row) -> Row:
        """The row whose trials choose for this one: ``row.like``, or the row itself."""
        return row if row.like is None else next(r for r in self.rows if r.name == row.like)

    def choices(self, row: Row) -> list[dict[str, Any]]:
        """What is tried for the row; one empty choice if there is nothing to search."""
        row = self.searched(row)
        return list(self.search if row.search is None else row.search) or [{}]

    def pick(self, wanted: list[str] | None) -> list[Row]:
        """The rows of these names or labels (all if None). Raises ValueError for unknown ones."""
        if not wanted:
            return list(self.rows)
        known = {text.lower() for row in self.rows for text in (row.name, row.label, row.group)}
        unknown = [text for text in wanted if text.lower() not in known]
        if unknown:
            raise ValueError(
                f"study {self.name} has no row {', '.join(map(repr, unknown))}; it has "
                + "; ".join(row.name for row in self.rows)
            )
        asked = {text.lower() for text in wanted}
        return [
            row for row in self.rows
            if asked & {row.name.lower(), row.label.lower(), row.group.lower()}
        ]  # fmt: skip


class Job(NamedTuple):
    """One run. role: "trial" or "final"; choice: what the search set; config: all settings."""

    study: Study
    row: Row
    role: str
    choice: dict[str, Any]
    config: RunConfig

    @property
    def source(self) -> str:
        """The study's, unless its row names other ``data``."""
        return self.row.settings.get("data", self.study.source)

    @property
    def key(self) -> str:
        """Names the run by everything that shapes it: studies with a run in common share it.

        Of the estimator's options those that differ from its defaults, so that a run keeps its key
        when a method gets a new option.
        """
        estimator = self.config.estimator()
        options = {
            field.name: getattr(estimator, field.name)
            for field in dataclasses.fields(estimator)
            if field.init and field.name != "seed"
            and getattr(estimator, field.name) != field.default
        }  # fmt: skip
        method = self.config.method
        if method == "smooth":  # it was an option of EGGROLL when its first runs were made
            method, options["smooth"] = "eggroll", estimator.width
            options.pop("width", None)
        shape = {name: getattr(self.config, name) for name in SHAPING} | {
            "method": method, "device": "cpu",  # on a GPU it is the same run, but for rounding
            "options": options, "source": self.source, "kind": self.study.kind,
            "path": self.row.path, "role": self.role, "version": VERSION,
        }  # fmt: skip
        if self.study.data:
            shape["data"] = self.study.data
        if self.study.test and self.role == "final":  # no trial reads it
            shape["test"] = self.study.test
        if self.config.layers:
            shape["layers"] = self.config.layers
        if self.config.until is not None:
            shape |= {name: getattr(self.config, name) for name in ("until", "validate_every")}
        digest = hashlib.sha256(json.dumps(shape, sort_keys=True).encode()).hexdigest()
        return f"{method}-{self.role}-{digest[:16]}"


def searches(study: Study, row: Row) -> bool:
    """Whether there is anything to choose for the row."""
    return len(study.choices(row)) > 1


def length(study: Study) -> int:
    """How many choices the search of a row tries."""
    return len(study.choices(study.rows[0])) + MORE * searches(study, study.rows[0])


def trials(study: Study, row: Row, choice: dict[str, Any]) -> list[Job]:
    """The search's runs of one choice, for the row or for the row that it is like."""
    return [_job(study, study.searched(row), "trial", choice, seed) for seed in SEARCH_SEEDS]


def _size(value: Any) -> float | None:
    """Of a number, or of a number for each layer: what is larger and what is smaller. Else None."""
    value = value[0] if isinstance(value, tuple | list) else value
    return float(value) if isinstance(value, int | float) and value > 0 else None


def _times(value: Any, factor: float) -> Any:
    """With three digits, so that a choice can be read and has one name."""
    if isinstance(value, tuple | list):
        return tuple(_times(each, factor) for each in value)
    return float(f"{value * factor:.3g}")


def further(tried: list[dict[str, Any]], best: dict[str, Any]) -> dict[str, Any]:
    """What the search tries next: a step away from the best choice in one of its numbers.

    A number that was tried with two values or more is searched, the learning rate first. Where the
    best value is the smallest (or largest) of them, the step leads beyond it, by the ratio of the
    last two. Where no number is at an end, it leads to the geometric mean with the farthest of the
    neighbours. A step that was made before is not made again.
    """
    beyond, between = [], []
    for name in sorted(best, key="lr".__ne__):
        size = _size(best[name])
        sizes = sorted({_size(choice.get(name)) for choice in tried} - {None}) if size else []
        if len(sizes) < 2:
            continue
        place = sizes.index(size)
        for neighbour, outwards in ((place + 1, place == 0), (place - 1, place == len(sizes) - 1)):
            if not 0 <= neighbour < len(sizes):
                continue
            ratio = size / sizes[neighbour]
            if outwards:
                beyond.append(best | {name: _times(best[name], ratio)})
            step = best | {name: _times(best[name], ratio**-0.5)}
            between.append((max(ratio, 1 / ratio), step))
    between = [step for _, step in sorted(between, key=lambda pair: -pair[0])]
    known = [json.dumps(choice, sort_keys=True) for choice in tried]
    steps = [step for step in beyond + between if json.dumps(step, sort_keys=True) not in known]
    if not steps:  # nothing but names is searched
        steps = [best | {"lr": _times(best["lr"], 0.5)}]
    return steps[0]


def at_an_end(tried: list[dict[str, Any]], best: dict[str, Any]) -> list[str]:
    """The numbers of the choice that still are the smallest or largest that was tried."""
    found = []
    for name, value in best.items():
        sizes = {_size(choice.get(name)) for choice in tried} - {None}
        if len(sizes) > 1 and _size(value) in (min(sizes), max(sizes)):
            found.append(name)
    return found


def seeds(study: Study, count: int) -> range:
    """Seeds of so many final runs; where nothing is searched, nothing was seen, so from 1 on."""
    first = FIRST_SEED if len(study.choices(study.rows[0])) > 1 else 1
    return range(first, first + count)


def final(study: Study, row: Row, choice: dict[str, Any], seed: int) -> Job:
    """A run that counts; its seed is one of ``seeds``."""
    return _job(study, row, "final", choice, seed)


def _job(study, row, role, choice, seed) -> Job:
    source = {"data": study.source} if study.source in SOURCES else {}
    settings = {**source, **study.settings, **row.settings, "seed": seed}
    if "device" not in settings:  # else the CPU makes a GPU's noise, on all its cores
        settings.setdefault("threads", 1)
    if role == "trial":
        settings.pop("until", None)  # trials are whole runs, and so are chosen as everywhere
    options = dict(settings.pop("options", {}))
    fields = {field.name for field in dataclasses.fields(RunConfig)}
    for name, value in choice.items():
        (settings if name in fields else options)[name] = value
    return Job(study, row, role, choice, RunConfig(**settings, options=options))

"""Markdown from the results of a study, and nothing else."""

import statistics
from typing import Any

from course_lib.results import difference, percent, processor_seconds

NOTES = {
    "accuracy": "Accuracy: of the test set in %, mean ± sample standard deviation over n seeds.",
    "difference": "Difference: test accuracy minus that of the group's first row, in points, "
    "paired by seed, with a 95 % t-interval; only an interval without 0 shows a difference.",
    "worst": "Lowest: test accuracy of the worst seed, in %.",
    "lost": "Lost classes: of which the network knows less than one recording in twenty, a number "
    "for each seed.",
    "validation": "Validation: accuracy in % of the final runs on the validation set.",
    "gain": "Gain: validation accuracy minus that of the first row, in points, paired by seed, "
    "with a 95 % t-interval.",
    "cpu": "CPU s: processor seconds of training on one thread, with the drawing of batches and "
    "without evaluation, of the runs on the machine that most runs were on (*: on another one, "
    "where there are none). Other work on the same cores makes them longer (`load` in the JSON), "
    "so compare rows with one another.",
    "wall": "Wall s: of training, by the clock, whatever else ran.",
    "memory": "Memory: all tensors of one training step at its peak, MB (10⁶ bytes), in the "
    "run with the most. LocalZO and SparseGrad: of their readable form; the compiled kernel, which "
    "trained them, keeps less.",
    "forward": "Forward: forward passes of a batch.",
    "spikes": "Spikes: per recording of the test set, hidden layers in order.",
    "speedup": "Faster: how many times faster the compiled kernel is than the autograd loop with "
    "the expected surrogate, backward pass / both passes, median over n seeds.",
    "active": "Active: share of (time, sample, neuron) entries that took part in the last backward "
    "pass.",
}


def number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def _mean(row: dict, name: str, form: str, scale: float = 1.0) -> str:
    found = row["summary"].get(name)
    return "–" if found is None else format(scale * found["mean"], form)


def cpu(row: dict, result: dict) -> str:
    """Processor seconds, with a mark where they are of another machine than other rows'."""
    seconds, usual = processor_seconds(row, result)
    return f"{seconds:.1f}" + ("" if usual else "*")


def peak(row: dict) -> str:
    """The most bytes that a run's step held, in MB."""
    found = [run["peak_memory"] for run in row["runs"] if run["peak_memory"] is not None]
    return f"{max(found) / 1e6:.1f}" if found else "–"


def named(choice: dict) -> str:
    return ", ".join(f"{name} {value}" for name, value in choice.items()) or "–"


def _stopped(row: dict) -> str:
    count = sum(run["stopped"] is not None for run in row["runs"])
    return f" ({count} stopped early)" if count else ""


def worst(row: dict) -> float:
    return min(run["test_accuracy"] for run in row["runs"])


def _lost(row: dict) -> str:
    found = [run.get("lost_classes") for run in row["runs"]]
    return "–" if None in found else ", ".join(map(str, sorted(found)))


def _speedup(row: dict) -> str:
    found = [run["speedup"] for run in row["runs"] if run.get("speedup")]
    if not found:
        return "–"
    return " / ".join(
        f"{statistics.median(ratios[name] for ratios in found):.1f}×"
        for name in ("backward", "overall")
    )


#: key → (heading, cell of a row in the results)
COLUMNS = {
    "chosen": ("search's choice", lambda row, result: named(row["chosen"])),
    "n": ("n", lambda row, result: str(row["summary"]["n"])),
    "accuracy": (
        "accuracy", lambda row, result: percent(row["summary"]["test_accuracy"]) + _stopped(row)
    ),
    "difference": ("difference", lambda row, result: difference(row, result)),
    "worst": ("lowest", lambda row, result: f"{100 * worst(row):.1f}"),
    "lost": ("lost classes", lambda row, result: _lost(row)),
    "validation": (
        "validation", lambda row, result: percent(row["summary"]["validation_accuracy"])
    ),
    "gain": ("gain", lambda row, result: difference(row, result, "validation_accuracy")),
    "cpu": ("CPU s", cpu),
    "wall": ("wall s", lambda row, result: _mean(row, "seconds", ".1f")),
    "memory": ("memory", lambda row, result: peak(row)),
    "forward": ("forward", lambda row, result: _mean(row, "forward_passes", ",.0f")),
    "spikes": (
        "spikes",
        lambda row, result: ", ".join(f"{s:.0f}" for s in row["summary"]["spikes"][:-1]),
    ),
    "speedup": ("faster", lambda row, result: _speedup(row)),
    "active": ("active", lambda row, result: _mean(row, "active", ".1%")),
}  # fmt: skip


def _gpu(place: dict) -> str:
    return f"{place['gpu']} with " if "gpu" in place else ""


def grid(headings: list[str], rows: list[list[str]]) -> str:
    """A Markdown table: the first column left, the others right."""
    lines = [headings, ["---", *["---:"] * (len(headings) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def page(result: dict[str, Any]) -> str:
    """NAME.md: question, set-up, figure, a table for each group, and what the columns mean."""
    from studies.pictures import alt, own_tables

    own = own_tables(result)
    body = own.body if own else training_body
    name = result["study"]
    parts = [
        f"# {result['title']}",
        result["question"],
        f"![{alt(result)}]({name}.png)",
        body(result),
        setup(result),
        f"Everything here is made from `{name}.json` by `{result['command']}`; with "
        "`--tables-only` nothing is run.",
    ]
    return "\n\n".join(parts) + "\n"


def training_body(result: dict) -> str:
    keys = ["n", *result["columns"]]
    headings = ["", *(COLUMNS[key][0] for key in keys)]
    parts = []
    for group in dict.fromkeys(row["group"] for row in result["rows"]):
        rows = [row for row in result["rows"] if row["group"] == group]
        cells = [[row["label"], *(COLUMNS[key][1](row, result) for key in keys)] for row in rows]
        parts += [f"## {group}"] if group else []
        parts.append(grid(headings, cells))
    notes = [NOTES[key] for key in keys if key in NOTES]
    return "\n\n".join([*parts, " ".join(notes)])


def setup(result: dict) -> str:
    """What was run, on what, from which revision of the code."""
    data, search, machines = result["data"], result["search"], result["machines"]
    borrowed: dict[str, list[dict]] = {}
    runs = [run for row in result["rows"] for run in row["runs"]]
    lines = [f"- **Data:** {data['name']}; training / validation / test: {data['recordings']}."]
    shared = ", ".join(f"{key} {value}" for key, value in result["settings"].items())
    lines.append(f"- **Settings of all rows:** {shared}; the rest as `methods.py` has it.")
    if search["trials"] > 1:
        tried = dict.fromkeys(
            "; ".join(named(choice) for choice in row["tried"]) for row in result["rows"]
        )
        lines.append(
            f"- **Search:** {search['trials']} trials a row, whole runs with seed "
            f"{search['seed']}; {search['rule']}. Tried: {' / '.join(tried)}."
        )
    for row in result["rows"]:
        if row.get("like"):
            borrowed.setdefault(row["group"], []).append(row)
    for group, rows in borrowed.items():
        pairs = ", ".join(f"{row['label']} ({row['like']})" for row in rows)
        lines.append(f"- **{group}:** these rows take the choice of another one: {pairs}.")
    seeds = ", ".join(map(str, sorted({run["seed"] for run in runs})))
    lines.append(f"- **Seeds of the final runs:** {seeds}.")
    places = "; ".join(
        f"{_gpu(m)}{m['processor']}, {m['cores']} cores, {m['system']}, Python {m['python']}, "
        f"torch {m['torch']}" for m in machines
    )  # fmt: skip
    threads = sorted({run["threads"] for run in runs})
    revisions = ", ".join(dict.fromkeys(f"`{run['revision']}`" for run in runs))
    lines.append(f"- **Machine:** {places}; threads {', '.join(map(str, threads))}.")
    lines.append(f"- **Code:** git revision {revisions} (+: with changes).")
    return "\n".join(lines)

"""What lesson 09 compares: its recordings, and the long runs whose results the course stores."""

import os

import numpy as np

from course_lab.player import test_recording
from course_lib import estimators  # all methods are loaded when METHODS is asked for
from course_lib.events import load_splits, pack, read_recording
from course_lib.events.files import cache_folder
from course_lib.results import groups, load, processor_seconds, student_t

#: rows of the last table: study, group, label, and what a reader calls it
LONG_RUNS = (
    ("methods", "2312-256-10", "OPZO, mirrored noise", "OPZO, mirrored noise"),
    ("methods", "2312-256-10", "LocalZO, δ 0.5, m 5", "LocalZO, δ 0.5, m 5"),
    ("methods", "2312-256-10", "BPTT", "BPTT, 620 steps"),
    ("headline", "some minutes", "BPTT", "BPTT, 1,860 steps"),
    ("headline", "some minutes", "projected factors", "projected EGGROLL, 3,000 steps"),
    ("methods", "2312-256-10", "OTTT", "OTTT"),
    ("methods", "2312-256-10", "SparseGrad, δ 0.5, m 5", "SparseGrad, δ 0.5, m 5"),
    ("methods", "2312-256-10", "DFA", "DFA"),
    ("headline", "about a minute", "projected factors", "projected EGGROLL, 1,000 steps"),
    ("headline", "about a minute", "smooth factors, 1.4 pixels", "smooth EGGROLL, 2,000 steps"),
    ("headline", "about a minute", "EGGROLL", "EGGROLL, 2,000 steps"),
    ("methods", "2312-256-10", "full-rank ES", "full-rank ES"),
    ("methods", "2312-256-10", "single-point ZO", "single-point ZO"),
)
#: groups of rows that were also trained on real recordings, for as many steps
SAME = ("2312-256-10", "about a minute")
#: what goes backwards, or what a synapse must hear instead
BACKWARDS = {
    "bptt": "errors, through layers and time", "localzo": "errors, through layers and time",
    "sparsegrad": "errors, through layers and time", "ottt": "errors, through layers",
    "opzo": "the output's error, by a learned matrix",
    "dfa": "the output's error, by a random matrix", "zo": "one number",
    "eggroll": "one number a member", "smooth": "one number a member",
    "es": "one number a member", "projected": "one number a member and recording",
}  # fmt: skip


def source() -> str:
    """ "nmnist" where NMNIST_DIR names real recordings or the cache holds a whole download of them,
    else "saccade-digits"."""
    parts = [cache_folder() / "NMNIST" / part for part in ("Train", "Test")]
    real = os.environ.get("NMNIST_DIR") or all(part.is_dir() for part in parts)
    return "nmnist" if real else "saccade-digits"


def called(*methods: str) -> dict[str, str]:
    """What people call these methods, by name."""
    return {name: estimators.METHODS[name].label for name in methods}


def recording(data: str, pick: int) -> tuple[np.ndarray, int]:
    """Events and label of the test recording ``pick`` of ``source()``'s recordings.

    Raises ValueError if no recording has these frames.
    """
    if data == "saccade-digits":
        return test_recording(pick)
    from course_lib.events import find_recordings

    test = load_splits(data, progress=False).test
    found = find_recordings(os.environ.get("NMNIST_DIR") or cache_folder())
    label = int(test.labels[pick])
    for one in (*found.train, *found.test):
        if one.label == label:
            events = read_recording(one.path)
            if np.array_equal(pack(events, test.bins), test.packed[pick]):
                return events, label
    raise ValueError(f"no recording in {found.folder} gives the test recording {pick}")


def accuracy(row: dict) -> str:
    """ "94.3 ± 0.4": the mean in %, and half its 95 % t-interval over the seeds."""
    summary, n = row["summary"]["test_accuracy"], row["summary"]["n"]
    half = student_t(n - 1, 0.975) * summary["sd"] / n**0.5
    return f"{100 * summary['mean']:.1f} ± {100 * half:.1f}"


def find(study: str, group: str, label: str) -> tuple[dict, dict]:
    """A row of a study, and the study. Raises ValueError if there is none."""
    result = load(study)
    for row in groups(result).get(group, []):
        if row["label"] == label:
            return row, result
    raise ValueError(f"the study {study!r} has no row {label!r} in the group {group!r}")


def long_runs() -> list[dict]:
    """The rows of the last table: what it is called, and its numbers. ``real`` may be empty."""
    real = {("methods", row["label"]): row for row in load("real-methods")["rows"]}
    real |= {("headline", row["label"]): row
             for row in groups(load("real-headline"))["about a minute"]}  # fmt: skip
    table = []
    for study, group, label, name in LONG_RUNS:
        row, result = find(study, group, label)
        there = group in SAME and (study, label) in real
        table.append({
            "name": name, "method": "smooth" if "smooth" in name else row["method"],
            "mean": row["summary"]["test_accuracy"]["mean"], "simulated": accuracy(row),
            "real": accuracy(real[study, label]) if there else "",
            "seconds": processor_seconds(row, result)[0],
            "megabytes": row["summary"]["peak_memory"]["mean"] / 1e6,
            "passes": round(row["summary"]["forward_passes"]["mean"]), "hidden": row["sizes"][1],
        })  # fmt: skip
    return sorted(table, key=lambda line: -line["mean"])


def as_table(rows: list[dict]) -> str:
    """These rows in Markdown."""
    lines = [
        "| method | simulated, % | real, % | CPU s | MB | forward passes | what goes backwards |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row['name']} | {row['simulated']} | {row['real'] or '–'} | {row['seconds']:.0f} "
            f"| {row['megabytes']:.1f} | {row['passes']:,} | {BACKWARDS[row['method']]} |"
        )
    return "\n".join(lines)


def place(reached: float, data: str) -> str:
    """Where a test accuracy in [0, 1] would stand among the long runs on the same kind of data."""
    column = "simulated" if data == "saccade-digits" else "real"
    rows = [(float(row[column].split()[0]), row["name"]) for row in long_runs() if row[column]]
    rows.sort(reverse=True)
    ahead = [name for mean, name in rows if mean > 100 * reached]
    behind = [name for mean, name in rows if mean <= 100 * reached]
    told = f"your network: ≈ {100 * reached:.1f} %, place {len(ahead) + 1} of {len(rows) + 1}"
    told += f"; just ahead of it {ahead[-1]}" if ahead else "; nothing is ahead of it"
    return told + (f", just behind it {behind[0]}" if behind else ", and nothing behind it")


def by_setting(study: str, group: str, form: str, settings) -> np.ndarray:
    """Test accuracies in [0, 1] of stored runs, (settings, seeds); ``form.format(setting)`` is the
    row's label. Only seeds that all rows have."""
    rows = [find(study, group, form.format(setting))[0] for setting in settings]
    found = [{run["seed"]: run["test_accuracy"] for run in row["runs"]} for row in rows]
    seeds = sorted(set.intersection(*map(set, found)))
    return np.array([[one[seed] for seed in seeds] for one in found])

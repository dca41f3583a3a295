"""The page costs.md and its two pictures, made anew whenever a study that they show is written."""

from pathlib import Path

from course_lib.results import read
from course_lib.run import costs
from studies import files
from studies.pages import pictures
from studies.tables import grid


def renew(folder: Path, study: str) -> list[str]:
    """Names of the files that were written: none if they do not show this study, or if what they
    show beside it is not in the folder."""
    found = None if study not in costs.STUDIES else points(folder)
    if not found:
        return []
    curves = costs.curves(lambda name: read(name, folder))
    parts = {
        "costs.md": page(found, curves),
        **pictures("costs", lambda: costs.figure(found), alt(found), bbox_inches="tight"),
        **pictures("ranks", lambda: costs.on_the_clock(curves), clock_alt(curves),
                   bbox_inches="tight"),
    }  # fmt: skip
    for name, content in parts.items():
        files.write(Path(folder) / name, content)
    files.refresh(folder, lambda text: files.fill(text, "costs", lambda: sentences(found)))
    return list(parts)


def points(folder: Path) -> dict[str, list[costs.Point]] | None:
    """``costs.points`` of the results in a folder; None where the first of a panel are missing."""

    def there(name: str) -> dict:
        result = read(name, folder)
        if result is None:
            raise FileNotFoundError(f"no results of {name} in {folder}")
        return result

    try:
        return costs.points(there)
    except FileNotFoundError:
        return None


def sentences(found) -> str:
    return "\n".join(f"- {sentence}" for sentence in costs.told(found))


def alt(found) -> str:
    """The picture in words."""
    parts = [
        f"{panel}: " + "; ".join(
            f"{p.name} {100 * p.accuracy:.1f} %, {p.seconds:.0f} s, {p.passes:,.0f} passes, "
            f"{p.joules:.2g} J" for p in row
        ) for panel, row in found.items()
    ]  # fmt: skip
    return "Test accuracy against three costs of training. " + ". ".join(parts) + "."


def clock_alt(curves) -> str:
    """The picture of ranks in words."""
    parts = [
        f"{panel}: " + "; ".join(
            f"{label} ends at {100 * accuracies[-1]:.0f} % after {seconds[-1]:.0f} s"
            for label, (seconds, accuracies) in rows.items()
        ) for panel, rows in curves.items()
    ]  # fmt: skip
    return "Rising curves of validation accuracy. " + ". ".join(parts) + "."


def page(found, curves) -> str:
    until = {label: [costs.until(*rows[label]) for rows in curves.values()]
             for label in costs.RANKED}  # fmt: skip
    ranks = grid(["", *curves], [
        [label, *(f"{each:.1f}".replace("nan", "–") for each in seconds)]
        for label, seconds in until.items()
    ])  # fmt: skip
    tables = [
        f"## {panel.capitalize()}\n\n" + grid(
            ["", "n", "accuracy", "CPU s", "forward", "joules"],
            [[p.name, str(len(p.accuracies)), f"{100 * p.accuracy:.1f}", f"{p.seconds:.1f}",
              f"{p.passes:,.0f}", f"{p.joules:.2g}"] for p in row],
        ) for panel, row in found.items()
    ]  # fmt: skip
    assumptions = costs.__doc__.split("\n\n", 1)[1].strip()
    return "\n\n".join([
        "# Accuracy, and what it costs to train", sentences(found), f"![{alt(found)}](costs.png)",
        "A mark is the mean of a row's seeds, its bar from the lowest to the highest; dotted: one "
        "point below BPTT.", *tables, "## Every rank, and full rank, on the clock",
        f"![{clock_alt(curves)}](ranks.png)",
        f"Processor seconds until a validation accuracy of {100 * costs.LEVEL:.0f} %. Curves are "
        "means over the seeds of `methods` and `real-methods`; a run's seconds are shared out "
        "evenly over its steps. The networks and searches are those of these pages.", ranks,
        "## What is counted", assumptions.replace("``", "`"),
        "Made from " + ", ".join(f"`{name}.json`" for name in costs.STUDIES) + " and "
        "`recordings.json` whenever one of these studies is written: "
        "`python -m studies study headline --tables-only`. A study that has no results yet is "
        "left out.",
    ]) + "\n"  # fmt: skip

"""Tables and findings of a study in pages that people write: README.md and data/results/README.md.

What stands between two such lines is written by the study's command, never by hand:

    <!-- study methods -->          its table
    <!-- end of study -->

    <!-- findings methods -->       its findings, in sentences
    <!-- end of findings -->
"""

import re
from pathlib import Path
from typing import Any

from course_lib.events.files import write_atomic
from course_lib.results import percent
from studies.findings import findings
from studies.tables import COLUMNS, grid

BLOCK = re.compile(r"(<!-- (study|findings) (\S+) -->\n).*?(<!-- end of \2 -->)", re.DOTALL)


def summary(result: dict[str, Any]) -> str:
    """One table: a line for each label, accuracy in every group, costs in the last group."""
    groups = list(dict.fromkeys(row["group"] for row in result["rows"]))
    lines = {}
    for row in result["rows"]:
        lines.setdefault(row["label"], {})[row["group"]] = row
    costs = [key for key in ("cpu", "memory", "forward", "active") if key in result["columns"]]
    cells = []
    for label, rows in lines.items():
        accuracies = [
            percent(rows[group]["summary"]["test_accuracy"]) if group in rows else "–"
            for group in groups
        ]
        last = list(rows.values())[-1]
        cells.append([label, *accuracies, *(COLUMNS[key][1](last, result) for key in costs)])
    table = grid(["", *groups, *(COLUMNS[key][0] for key in costs)], cells)
    counts = sorted({row["summary"]["n"] for row in result["rows"]})
    n = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return (
        f"{table}\n\nTest accuracy in %, mean ± standard deviation over n = {n} seeds, on "
        f"{result['data']['name']}. Costs: of the rightmost network that a row has; CPU s "
        "of one machine (*: of another); memory in MB."
    )


def fill(text: str, result: dict[str, Any]) -> str:
    """The text with this study's blocks written anew."""

    def block(match):
        begin, content, name, end = match.groups()
        if name != result["study"]:
            return match[0]
        return f"{begin}{(summary if content == 'study' else findings)(result)}\n{end}"

    return BLOCK.sub(block, text)


def refresh(result: dict[str, Any], folder: Path) -> None:
    """Fill the blocks in the folder's README.md, and in the project's if it is data/results."""
    pages = [folder / "README.md"]
    if folder.resolve().parts[-2:] == ("data", "results"):
        pages.append(folder.resolve().parents[1] / "README.md")
    for page in pages:
        if page.is_file():
            before = page.read_text(encoding="utf-8")
            after = fill(before, result)
            if after != before:
                write_atomic(page, lambda stream, after=after: stream.write(after.encode()))

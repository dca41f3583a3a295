"""COVERAGE.md says of every item of the papers what is done, and its links are alive."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "data" / "results" / "COVERAGE.md"
STATES = ("shown", "library only", "not done")


def rows() -> list[list[str]]:
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:2] == "| "]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines]


def test_every_item_has_a_state_and_says_where_or_why_not():
    items = [row for row in rows() if row[0] != "item"]
    assert len(items) > 50
    for row in items:
        assert len(row) == 3 and row[1].startswith(STATES), row
        if row[1].startswith("shown"):
            assert "](" in row[2], f"{row[0]}: shown, and no link says where"


def test_every_link_leads_somewhere():
    links = re.findall(r"\]\(([^)]+)\)", PAGE.read_text(encoding="utf-8"))
    assert len(links) > 50
    for link in links:
        assert (PAGE.parent / link).is_file(), link


def test_every_page_of_results_is_named():
    text = PAGE.read_text(encoding="utf-8")
    studies = [p.stem for p in PAGE.parent.glob("*.md") if not p.stem.startswith("bench-")]
    assert [s for s in studies if f"({s}.md)" not in text and s not in ("README", "COVERAGE")] == []

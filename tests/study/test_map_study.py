"""Maps: cells of equal cost, their table, figure, words and answer."""

import pytest

from studies import maps, pages, plan
from studies.declared import STUDIES
from studies.evolution import BUDGET


def row(label, validation, group="σ and population"):
    runs = [{"seed": seed, "validation_accuracy": value, "test_accuracy": value,
             "machine": 0, "cpu_seconds": 5.0}
            for seed, value in enumerate(validation, 4)]  # fmt: skip
    mean = sum(validation) / len(validation)
    return {
        "label": label, "group": group, "runs": runs, "chosen": {"lr": 0.01}, "steps": 400,
        "tried": [{"lr": 0.01}, {"lr": 0.02}], "like": None,
        "summary": {
            "n": len(runs), "validation_accuracy": {"mean": mean, "sd": 0.01},
            "test_accuracy": {"mean": mean, "sd": 0.01},
        },
    }  # fmt: skip


@pytest.fixture
def result():
    return {
        "kind": "map", "study": "tiny", "data": {"recordings": "9 / 100,000 / 9"}, "rows": [
            row("σ × 1, 32 members", (0.70, 0.71, 0.72)),
            row("σ × 1, 2,048 members", (0.50, 0.51, 0.52)),
            row("σ × 2, 32 members", (0.71, 0.70, 0.73)),
        ],
    }  # fmt: skip


def test_every_cell_spends_the_budget():
    study = STUDIES["budget"]
    for declared in study.rows:
        config = plan.final(study, declared, {}, 4).config
        generation = config.options["population"] * config.batch_size
        assert 0 <= BUDGET - config.steps * generation < generation, declared.name


def test_cells_have_a_line_and_a_column(result):
    found = maps.cells(result, "σ and population")
    assert maps.axes_of(found) == (["σ × 1", "σ × 2"], ["32 members", "2,048 members"])


def test_the_answer_names_the_best_and_what_is_not_shown_to_be_behind(result):
    (told,) = maps.answers(result)
    assert "Best: σ × 2 and 32 members, 71.3 %" in told and "(n = 3)" in told
    assert "worst: σ × 1 and 2,048 members, 51.0 %" in told
    assert "Not shown to be behind the best: σ × 1 and 32 members (71.0)." in told
    assert pages.findings(result) == f"- {told}"


def test_page_and_figure_have_every_cell_and_leave_the_missing_one_empty(result):
    body = maps.body(result)
    assert "| σ × 2 | 71.3 ± 1.0 | – |" in body
    assert "| σ × 1, 2,048 members | lr 0.01 | 400 | 51.0 ± 1.0 | 5.0 |" in body
    (ax,) = maps.figure(result).axes
    assert [text.get_text() for text in ax.texts] == ["71", "51", "71"]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["32", "2,048"]
    assert "σ × 1 and 2,048 members: 51 %" in maps.alt(result)

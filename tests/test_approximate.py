"""Numbers after "≈" are compared within the cell's tolerance, all other text to the letter."""

import subprocess
import sys

import nbformat
import pytest

from course_lab.authoring.approximate import numbers, problem, settle

STORED = "test accuracy ≈ 86.2 % after ≈ 12.1 s, loss ≈ 0.410\n"


@pytest.mark.parametrize(
    "new, why",
    [
        (STORED, ""),
        ("test accuracy ≈ 87.9 % after ≈ 340.5 s, loss ≈ 0.455\n", ""),
        ("test accuracy ≈ 89.3 % after ≈ 12.1 s, loss ≈ 0.410\n", "89.3 % is further than 3"),
        ("test accuracy ≈ 86.2 % after ≈ 12.1 s, loss ≈ 0.470\n", "0.47"),
        ("train accuracy ≈ 86.2 % after ≈ 12.1 s, loss ≈ 0.410\n", "the text differs"),
        ("test accuracy ≈ 86.2 % after ≈ 12.1 ms, loss ≈ 0.410\n", "the text differs"),
        ("test accuracy ≈ nan % after ≈ 12.1 s, loss ≈ 0.410\n", "the text differs"),
        ("test accuracy ≈  9.2 % after ≈ 12.1 s, loss ≈ 0.410\n", "9.2 % is further"),
    ],
)
def test_tolerance_by_unit(new, why):
    found = problem(new, STORED, {"%": 3, "s": "any", "": 0.05})
    assert (why in found) if why else not found


def test_a_unit_without_a_tolerance_must_be_equal():
    assert "further than 0" in problem("≈ 86.3 %", "≈ 86.2 %", {})


def test_numbers_as_people_write_them():
    assert numbers("≈ −1,234.5 spikes, ≈3 %, = 7") == [(-1234.5, "spikes"), (3.0, "%")]


def test_a_picture_that_moves_is_not_compared_but_its_words_are():
    def output(page, words):
        return nbformat.v4.new_output(
            "execute_result", data={"text/html": page, "text/plain": words}
        )

    new, stored = output("<script>1</script>", "a 5"), output("<script>2</script>", "a 3")
    assert settle([new], [stored], {}) == []
    assert new.data == {"text/html": "<script>2</script>", "text/plain": "a 5"}
    new = output("no script", "a 3")
    settle([new], [stored], {})
    assert new.data["text/html"] == "no script"


@pytest.mark.slow
@pytest.mark.parametrize("printed, passes", [(0.53, True), (0.57, False)])
def test_nbval_compares_within_the_cells_tolerance(tmp_path, monkeypatch, printed, passes):
    """And without real recordings."""
    monkeypatch.setenv("NMNIST_DIR", "somewhere")
    cell = nbformat.v4.new_code_cell(
        f"import os\nprint('accuracy ≈ {printed}', 'exactly 3', os.environ.get('NMNIST_DIR'))"
    )
    cell.metadata["tolerance"] = {"": 0.05}
    cell.outputs = [nbformat.v4.new_output("stream", name="stdout",
                                           text="accuracy ≈ 0.5 exactly 3 None\n")]  # fmt: skip
    cell.execution_count = 1
    path = tmp_path / "lesson.ipynb"
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=kernel), path)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "course_lab.authoring.approximate", "--nbval",
         "--nbval-current-env", "-p", "no:cacheprovider", str(path)], capture_output=True,
        text=True,
    )  # fmt: skip
    assert (run.returncode == 0) == passes, run.stdout

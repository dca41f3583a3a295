"""Run the cells of a submission, so that one that goes wrong costs only its own points.

Where a cell ends the kernel, or has to be stopped by ending it, a new kernel runs the cells before
it again, without those that were lost, and goes on behind it. Where a check gave nothing, what
follows goes on with the course's own function, as it does after a failed check.
"""

import time
from pathlib import Path

from nbgrader.preprocessors import Execute
from nbgrader.utils import is_grade
from traitlets import Integer

from course_lab.grading.kernel import Kernel, Limits, failure
from course_lab.grading.notes import note
from course_lab.grading.rebuild import CHECKED, grade_id


class Run(Execute):
    """In the place of nbgrader's Execute, whose option ``timeout`` it keeps."""

    check_timeout = Integer(300, help="seconds that a check cell may take").tag(config=True)
    total_timeout = Integer(1800, help="seconds that a submission may take").tag(config=True)
    memory = Integer(4000, help="MB that a submission may take").tag(config=True)
    disk = Integer(200, help="MB of files that a submission may write").tag(config=True)
    characters = Integer(20_000, help="of text that a cell may print").tag(config=True)

    def preprocess(self, nb, resources):
        limits = Limits(self.memory * 10**6, self.disk * 10**6, self.characters)
        cells = [c for c in nb.cells if c.cell_type == "code" and c.source.strip()]
        lost, until = {}, time.monotonic() + self.total_timeout
        with Kernel(Path(resources["metadata"]["path"]), limits) as kernel:
            for number, cell in enumerate(cells):
                cell.execution_count = number + 1
                while not kernel.alive and time.monotonic() < until:
                    self.replay(kernel, cells[:number], lost, until)
                if time.monotonic() > until:
                    lost[number] = f"the {self.total_timeout} seconds of the submission were over"
                    cell.outputs = [stopped(lost[number])]
                    continue
                cell.outputs, why = kernel.run(cell.source, self.seconds(cell))
                if why:
                    lost[number] = why
                    cell.outputs.append(stopped(why))
                if is_grade(cell):
                    self.settle(kernel, cell)
        note(nb, [f"`{label(cells[number])}`: {why}." for number, why in lost.items()])
        return nb, resources

    def seconds(self, cell) -> int:
        """How long a cell may take."""
        return self.check_timeout if is_grade(cell) else self.timeout

    def replay(self, kernel: Kernel, before: list, lost: dict[int, str], until: float) -> None:
        """Bring a new kernel to where the last one was; what is lost now stays away next time."""
        kernel.start()
        for number, cell in enumerate(before):
            if number not in lost:
                _, why = kernel.run(cell.source, self.seconds(cell))
                if why:
                    lost[number] = why + ", when it was run again"
            elif is_grade(cell):
                go_on(kernel, cell)
            if not kernel.alive or time.monotonic() > until:
                return

    def settle(self, kernel: Kernel, cell) -> None:
        """A warning in a check costs nothing; without points, the course's function takes over."""
        for output in cell.outputs:
            if output.output_type == "stream":
                output.name = "stdout"  # nbgrader gives no points for stderr
        kinds = {output.output_type for output in cell.outputs}
        if "checks.grade(" in cell.source and not kinds & {"error", "execute_result"}:
            cell.outputs.append(failure("Lost", "The points of this check did not come back."))
        if kernel.alive and any(output.output_type == "error" for output in cell.outputs):
            go_on(kernel, cell)


def go_on(kernel: Kernel, cell) -> None:
    """Define the course's own function in the place of the one that this cell checks."""
    for name in CHECKED.findall(cell.source):
        kernel.run(f"{name} = checks.{name}.reference", 60)


def stopped(why: str):
    """The output of a cell that did not end by itself."""
    return failure("Stopped", f"This cell was stopped: {why}. What follows was graded without it.")


def label(cell) -> str:
    """What a cell is called in a list."""
    return grade_id(cell) or cell.source.strip().splitlines()[0][:60]

"""nbgrader: sources lie in solutions/, what students get in exercises/. See solutions/README.md."""

import os
import sys

# nbgrader calls alembic by its name: so it is found in an environment that is not activated, too.
os.environ["PATH"] = os.path.dirname(sys.executable) + os.pathsep + os.environ.get("PATH", "")

c = get_config()  # noqa: F821 - nbgrader provides it

c.CourseDirectory.course_id = "spikes-without-backprop"
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "exercises"

# A stub keeps its docstring and ends in a line that says what to do, so this is all that is put in.
c.ClearSolutions.code_stub = {"python": "# YOUR CODE HERE"}

# The outputs of a submission are made anew; a cell that runs for ever is stopped and earns nothing.
c.Execute.timeout = 60
c.Execute.interrupt_on_timeout = True
c.LimitOutput.max_lines = 200
# A test that a student deleted is put back and run.
c.OverwriteCells.add_missing_cells = True

"""nbgrader: sources lie in solutions/, what students get in exercises/. See solutions/README.md."""

import os
import sys
import warnings

# nbgrader calls alembic by its name: so it is found in an environment that is not activated, too.
os.environ["PATH"] = os.path.dirname(sys.executable) + os.pathsep + os.environ.get("PATH", "")

# SQLAlchemy minds the order in which nbgrader adds a submission, at every first one.
warnings.filterwarnings("ignore", "Object of type <Submitted")

c = get_config()  # noqa: F821 - nbgrader provides it

c.CourseDirectory.course_id = "spikes-without-backprop"
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "exercises"

# A stub keeps its docstring and ends in a line that says what to do, so this is all that is put in.
c.ClearSolutions.code_stub = {"python": "# YOUR CODE HERE"}

# A submission is made whole first, and run so that what goes wrong costs only its own points.
c.Autograde.sanitize_preprocessors = ["course_lab.grading.rebuild.Rebuild"]
c.Autograde.autograde_preprocessors = [
    "course_lab.grading.execute.Run",
    "nbgrader.preprocessors.LimitOutput",
    "nbgrader.preprocessors.SaveAutoGrades",
    "nbgrader.preprocessors.AssignLatePenalties",
]
# The limits: seconds of a cell, of a cell that checks, and of a whole submission; megabytes of
# memory and of files; characters and lines that a cell may print.
c.Run.timeout = 60
c.Run.check_timeout = 300
c.Run.total_timeout = 1800
c.Run.memory = 4000
c.Run.disk = 200
c.Run.characters = 20_000
c.LimitOutput.max_lines = 200

c.ExportApp.plugin_class = "course_lab.grading.export.Grades"

"""Studies: comparisons that anyone can rerun, with results that lessons read.

    python3 course.py study methods            # run, or go on with, a study
    course_lib.results.load("methods")         # its results, as stored in data/results/

A study is declared in ``declared.py``: a name, rows (a label and the settings of a run), a search
and seeds. The rest follows from that: ``plan.py`` says which runs it takes, ``measure.py`` makes
one, ``store.py`` keeps one JSON a run, ``runner.py`` goes through them, ``results.py`` gathers them
into data/results/NAME.json, and ``tables.py`` and ``pictures.py`` show what stands there.
"""

from course_lib.results import load

__all__ = ["load"]

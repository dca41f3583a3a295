"""Studies and benchmarks: where every number that the course quotes comes from.

    python -m studies study methods            # run, or go on with, a study
    course_lib.results.load("methods")         # its results, as stored in data/results/

A study is declared in ``declared.py`` or ``evolution.py``: rows (a label and the settings of a
run), a search and seeds. The rest follows: ``plan.py`` says which runs it takes, ``runner.py`` goes
through them, ``results.py`` gathers them into data/results/NAME.json, ``kinds.py`` says how a run
is made and shown, and ``pages.py`` shows it.
"""

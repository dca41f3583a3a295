"""Every check works: it accepts what is right, and names each mistake that it was made for.

Solutions as students write them lie in tests/exercises; ``course_lab.authoring.rates`` reads them.
"""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
import scipy.stats  # noqa: F401 - as assignment 09 does, before a check's two seconds run

from course_lab import checks
from course_lab.authoring import opening, rates
from course_lab.authoring.assignments import (
    GUIDE,
    ROOT,
    find_solutions,
    release,
    target,
    task_facts,
    verify,
)
from course_lab.authoring.authoring import find_lessons
from course_lab.checks.engine import compare, sandbox
from course_lab.checks.engine.engine import NotYet

EXERCISES = checks.exercises()
SOURCES = find_solutions()
TOPICS = [path.stem for path in SOURCES]
NAMES = [path.stem for path in find_lessons()]
BLOCKS = list(rates.blocks())
BLIND = list(rates.blocks(rates.STORED / "blind"))


def long(name: str) -> list:
    """What checks and grades an exercise that trains takes a second or more."""
    return [pytest.mark.slow] * (EXERCISES[name].kind in ("train", "open"))


def stored(kind: str):
    """A parameter for each stored solution of a kind: exercise, words, source."""
    found = [
        pytest.param(b.name, b.words, b.source, id=f"{b.name}: {b.words}", marks=long(b.name))
        for b in BLOCKS if b.kind == kind
    ]  # fmt: skip
    return pytest.mark.parametrize(("name", "words", "source"), found)


def define(name: str, source: str):
    return rates.define(EXERCISES[name], source)


def cells(path: Path) -> dict:
    return {cell.id: cell for cell in nbformat.read(path, as_version=4).cells}


# ---------------------------------------------------------------- the checks


@pytest.mark.parametrize("name", [pytest.param(name, marks=long(name)) for name in EXERCISES])
def test_reference_passes_on_every_seed(name, capsys):
    exercise = EXERCISES[name]

    def mine(*arguments):
        return exercise.reference(*arguments)

    assert exercise(mine) is mine
    assert exercise.grade() == exercise.points == exercise.earned
    assert capsys.readouterr().out.startswith(f"✓ {name}")


@pytest.mark.slow  # all together
@stored("wrong")
def test_a_wrong_solution_gets_the_message_meant_for_it(name, words, source, capsys):
    exercise = EXERCISES[name]
    assert exercise(define(name, source)) is exercise.reference
    printed = capsys.readouterr().out
    assert printed.startswith(f"✗ {name}: not right yet")
    assert words in printed
    assert "goes on with the course's own" in printed
    assert exercise.earned < exercise.points
    try:
        assert exercise.grade() < exercise.points  # partial points, for all but a boundary
    except NotYet as reason:
        assert not reason.points


@stored("right")
def test_an_unusual_right_solution_passes(name, words, source, capsys):
    exercise, function = EXERCISES[name], define(name, source)
    assert exercise(function) is function, capsys.readouterr().out
    exercise.grade()


@stored("shown")
def test_grading_asks_for_a_boundary_that_the_shown_cases_lack(name, words, source, capsys):
    exercise, function = EXERCISES[name], define(name, source)
    assert exercise(function) is function, capsys.readouterr().out
    try:
        assert exercise.grade() == exercise.points - 1
        said = capsys.readouterr().out
    except NotYet as reason:
        said = str(reason)
    assert words in said and f"What is missing: {exercise.boundary.where}" in said


@pytest.mark.parametrize("name", EXERCISES)
def test_enough_solutions_are_kept(name):
    kinds = [block.kind for block in BLOCKS if block.name == name]
    assert kinds.count("wrong") >= 4 and kinds.count("right") >= 2
    assert sum(block.name == name for block in BLIND) >= 2
    if EXERCISES[name].topic != TOPICS[0] and not EXERCISES[name].kind:  # others have marks, parts
        assert EXERCISES[name].boundary and kinds.count("shown") >= 1


@pytest.mark.slow
@pytest.mark.parametrize("topic", TOPICS)
def test_mistakes_that_nobody_had_listed_are_named_and_never_by_a_wrong_name(topic):
    counts, rest = rates.measure([topic])
    named, unnamed, accepted, wrong = (counts[verdict] for verdict in rates.VERDICTS)
    assert wrong == accepted == 0, rest
    assert named >= 0.75 * (named + unnamed), rest


@pytest.mark.parametrize("name", EXERCISES)
def test_no_two_names_fit_the_same_numbers(name):
    """Or one of them would be wrong: a case has to part them, or they have to become one."""
    exercise = EXERCISES[name]
    cases, parts = exercise.drawn(0)
    cases, told = cases + [case for _, more in parts for case in more], []
    for mistake in exercise.mistakes:
        for function in mistake.functions:
            called = [sandbox.call(function, case, exercise.seconds) for case in cases]
            if not any(c.error for c in called):
                told.append((mistake.says, [c.result for c in called]))
    for k, (says, results) in enumerate(told):
        for other, others in told[:k]:
            if says != other:
                alike = all(map(exercise.same, results, others))
                assert not alike, f"{other}\nor\n{says}"


def test_rates_take_a_topic_by_its_number_or_a_part_of_its_name():
    assert rates.chosen(["opzo", "07"]) == ["07_eggroll", "08_opzo"] and rates.chosen([]) == TOPICS
    with pytest.raises(ValueError, match="no topic is called '99'; there are: 01_events"):
        rates.chosen(["99"])


def test_every_lesson_from_01_on_has_exercises_checks_and_proofs():
    assert NAMES[1:] == TOPICS
    assert list(checks.topics()) == TOPICS
    for folder in (rates.STORED, rates.STORED / "blind"):
        assert [p.name for p in sorted(folder.glob("*.*"))] == [f"{t}.py.txt" for t in TOPICS]


def test_a_check_loads_its_own_topic_and_no_scipy():
    """It stands between a student and the first verdict; SciPy's statistics take over a second."""
    script = (
        "import sys; from course_lab import checks; checks.lif_step; "
        "print(*(m for m in sys.modules if m.startswith(('course_lab.checks.', 'scipy')) "
        "and '.engine' not in m))"
    )
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert run.stdout.split() == ["course_lab.checks.spikes"], run.stderr


@pytest.mark.parametrize("name", EXERCISES)
def test_known_mistakes_are_mistakes(name):
    """Each is wrong on the cases of a check, or it would blame right answers."""
    exercise = EXERCISES[name]
    for function in [f for mistake in exercise.mistakes for f in mistake.functions]:
        with pytest.raises(NotYet):
            exercise.examine(function, 0)


def answer(name: str, function, capsys) -> str:
    exercise = EXERCISES[name]
    assert exercise(function) is exercise.reference
    return capsys.readouterr().out


def test_beside_a_likely_mistake_stands_where_the_arrays_differ_first(capsys):
    def at_once(currents, beta, threshold):
        s, v = np.zeros(currents.shape[1]), np.zeros(currents.shape[1])
        spikes, voltages = [], []
        for current in currents:
            v = beta * (v - threshold * s) + current
            s = (v > threshold).astype(float)
            spikes.append(s)
            voltages.append(v)
        return np.array(spikes), np.array(voltages)

    printed = answer("lif_delayed", at_once, capsys)
    assert "Likely mistake: you take θ off before the leak" in printed
    place = r"\n  where     value [12] of the result differs first at \[\d+, \d\]: "
    assert re.search(place, printed)


def endless(*arguments):
    while True:
        pass


def chatty(*arguments):
    while True:
        print("still here")


def leaving(*arguments):
    raise SystemExit


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (endless, "Is there a loop that never ends?"),
        (chatty, "prints very much"),
        (leaving, "stopped with SystemExit"),
        (lambda *a: None, "does your function end with return?"),
        (lambda *a: "0.5", "should be a number; yours is a text"),
        (lambda *a: [1, 2], "should have shape (); yours has (2,)"),
        (lambda *a: float("nan"), "NaN"),
        (lambda: 0, "stopped with TypeError"),
        (5, "is a number, not a function"),
    ],
)
def test_whatever_a_function_does_the_notebook_lives_on(function, words, capsys):
    assert words in answer("lowest_current", function, capsys)


def test_tables_are_compared_entry_by_entry():
    rows = [{"name": "a", "seeds": [1, 2]}, {"name": "b", "seeds": [3]}]
    assert compare.same(rows, [{"name": "a", "seeds": (1, 2)}, {"name": "b", "seeds": [3]}], 0, 0)
    for other in ([rows[0]], rows[::-1], [rows[0], {"name": "b", "seeds": [4]}], 5.0):
        assert not compare.same(other, rows, 0, 0)
    assert compare.show(rows) == "[name: 'a', seeds: [1 2]; name: 'b', seeds: [3]]"


def test_an_array_in_place_of_none_is_a_difference():
    assert not compare.same(np.arange(3), None, 0, 0)


def test_running_only_the_check_again_does_not_pass_the_course_s_own(capsys):
    exercise = EXERCISES["lowest_current"]
    given = exercise(lambda beta, threshold: 0.0)
    capsys.readouterr()
    assert exercise(given) is given
    assert "now the course's own function" in capsys.readouterr().out
    assert not exercise.passed
    with pytest.raises(NotYet):
        exercise.grade()


def test_an_exercise_that_was_never_checked_earns_nothing():
    exercise = EXERCISES["lowest_current"]
    exercise.submitted = None
    with pytest.raises(NotYet, match="never checked"):
        checks.grade("lowest_current")


def test_unknown_names_say_what_there_is():
    with pytest.raises(AttributeError, match="no check 'lifstep'; there are: step_events"):
        checks.lifstep  # noqa: B018
    with pytest.raises(ValueError, match="no topic '99_none'; there are: 01_events"):
        checks.summary("99_none")


def test_summary_counts_points(capsys):
    for exercise in EXERCISES.values():
        exercise.earned = 2 if exercise.name == "lif_step" else 0
    checks.summary("02_spikes")
    assert capsys.readouterr().out.endswith("2 of 20 points\n")


def test_a_boundary_has_points_of_its_own(capsys):
    """Right but for events after `now`: half of the points, said to the student and to nbgrader."""

    def mine(x, y, t, now, tau):
        picture = np.zeros((34, 34))
        picture[y, x] = np.exp(-(now - t) / tau)
        return picture

    exercise = EXERCISES["fading_picture"]
    exercise(mine)
    said = capsys.readouterr().out
    assert "It earns 1 of 2 points. What is missing: events after `now`" in said
    assert (exercise.earned, exercise.grade()) == (1, 1)


def test_machines_that_agree_but_for_the_last_bits_get_one_point(capsys):
    block = next(b for b in BLOCKS if b.words == "A sum depends on its order")
    exercise = EXERCISES[block.name]
    exercise(define(block.name, block.source))
    assert "It earns 1 of 3 points" in capsys.readouterr().out
    assert (exercise.earned, exercise.grade()) == (1, 1)


def test_an_open_task_is_worth_what_it_reaches(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "progress.json"))
    exercise = EXERCISES["choose_inputs"]

    def often(known, labels, budget):
        return np.argsort(known.mean(axis=0))[::-1][:budget]

    exercise(often)
    worse = exercise.earned
    exercise(lambda *a: exercise.reference(*a))
    exercise(often)
    first, second, third = capsys.readouterr().out.splitlines()
    assert 0 < worse == exercise.earned < exercise.points
    assert "3 from" in first and "3 of 3 points. Your best" in second
    assert third.split("best so far: ")[1] == second.split("best so far: ")[1]


@pytest.mark.slow
def test_some_points_by_the_same_noise_each_time_come_with_a_word_about_it(capsys):
    exercise = EXERCISES["train_thin"]
    same = next(b for b in BLIND if b.name == exercise.name and b.kind.startswith("the same noise"))
    exercise(define(exercise.name, same.source))
    assert 0 < exercise.earned < exercise.points
    assert capsys.readouterr().out.endswith("Draw new noise each time.\n")


# ---------------------------------------------------------------- the notebooks


@pytest.mark.parametrize("source", SOURCES, ids=TOPICS)
def test_anatomy_of_an_assignment(source):
    notebook, topic = cells(source), source.stem
    exercises = checks.exercises(topic).values()
    assert len(exercises) >= 4
    assert (ROOT / "notebooks" / f"{topic}.ipynb").name in notebook["title"].source
    assert opening.SETUP.format(repository=opening.repository()) in notebook["setup"].source
    assert f'checks.summary("{topic}")' in notebook["score"].source
    for exercise in exercises:
        slug = exercise.name.replace("_", "-")
        task, code, check = notebook[f"{slug}-task"], notebook[slug], notebook[f"{slug}-check"]
        facts = task_facts(task.source)
        assert int(facts["points"]) == exercise.points == check.metadata.nbgrader.points
        solution = re.search(r"### BEGIN SOLUTION\n(.*?)\n\s*### END", code.source, re.S)[1]
        written = [line for line in solution.splitlines() if line.strip()]
        assert len(written) <= int(facts["lines"]), f"{exercise.name}: {len(written)} lines"
        assert f'checks.grade("{exercise.name}")' in check.source


def test_syllabi_of_more_than_a_day_cover_every_lesson():
    text = (ROOT / GUIDE).read_text(encoding="utf-8")
    for name in ("One-week block", "Ten-week term"):
        table = text.split(f"**{name}**")[1].split("\n\n")[1]
        column = " ".join(row.split("|")[2] for row in table.splitlines()[2:])
        assert re.findall(r"\d\d", column) == [lesson[:2] for lesson in NAMES[1:]], name


@pytest.mark.parametrize("source", SOURCES, ids=TOPICS)
def test_the_untouched_stub_says_what_to_do(source, capsys):
    released = cells(target(source))
    for exercise in checks.exercises(source.stem).values():
        code = released[exercise.name.replace("_", "-")].source
        assert "# YOUR CODE HERE" in code
        todo = re.search(r'raise NotImplementedError\("(.+)"\)', code)[1]
        stub = define(exercise.name, code)
        assert exercise(stub) is exercise.reference
        assert f"To do: {todo}" in capsys.readouterr().out


@pytest.mark.parametrize("source", SOURCES, ids=TOPICS)
def test_nothing_that_students_must_not_see_is_released(source):
    text = target(source).read_text(encoding="utf-8")
    for mark in ("SOLUTION", "HIDDEN", "checks.grade"):
        assert mark not in text
    for cell in nbformat.reads(text, as_version=4).cells:
        assert not cell.get("outputs") and cell.get("execution_count") is None
    for cell in cells(source).values():
        found = re.search(r"### BEGIN SOLUTION\n(.*?)\n\s*### END", cell.source, re.S)
        assert not found or found[1] not in text


def test_exercises_are_in_step_with_solutions():
    pytest.importorskip("nbgrader", reason="needs the extra instructor")
    assert verify() == []


def test_verify_notices_what_is_out_of_step(tmp_path):
    pytest.importorskip("nbgrader", reason="needs the extra instructor")
    source = SOURCES[1]
    copy = tmp_path / "solutions" / source.parent.name / source.name
    copy.parent.mkdir(parents=True)
    copy.write_bytes(source.read_bytes())
    (tmp_path / "nbgrader_config.py").write_bytes((ROOT / "nbgrader_config.py").read_bytes())
    assert verify(tmp_path) == [f"exercises/{source.stem}/{source.name} is missing"]
    made = target(copy, tmp_path)
    made.parent.mkdir(parents=True)
    made.write_text(release(copy, tmp_path).replace("θ", "theta"), encoding="utf-8")
    assert "differs from what" in verify(tmp_path)[0]
    made.rename(made.with_name("99_lost.ipynb"))
    assert "has no source" in verify(tmp_path)[0]


@pytest.mark.slow
@pytest.mark.parametrize("source", SOURCES, ids=TOPICS)
def test_untouched_exercises_run_to_the_end(source, loaded_anew, monkeypatch, tmp_path, capsys):
    """Never blocked: whoever has written nothing still sees every picture."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NMNIST_DIR", raising=False)
    space = {"__name__": "__main__"}
    for cell in nbformat.read(target(source), as_version=4).cells:
        if cell.cell_type == "code":
            exec(cell.source, space)
    said = capsys.readouterr().out
    exercises = checks.exercises(source.stem).values()
    assert said.count("goes on with the course's own") == len(exercises)
    assert f"0 of {sum(e.points for e in exercises)} points" in said

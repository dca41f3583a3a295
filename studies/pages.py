"""What shows a study, from its results alone: NAME.md, NAME.png and .svg, tables in other pages."""

import io
from collections.abc import Callable
from functools import cache
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from course_lib.results import groups
from course_lib.run.figures import style
from studies import files
from studies.kinds import kind_of
from studies.plan import CARRIED, OTHER_TEST
from studies.tables import named
from studies.training import summary


def page(result: dict[str, Any]) -> str:
    """NAME.md: question, figure, what was found, and what was run."""
    kind, name = kind_of(result), result["study"]
    parts = [
        f"# {result['title']}",
        result["question"],
        f"![{kind.alt(result)}]({name}.png)",
        kind.body(result),
        setup(result),
        f"Everything here is made from `{name}.json` by `{command(result)}`; with "
        "`--tables-only` nothing is run.",
    ]
    return "\n\n".join(parts) + "\n"


def command(result: dict[str, Any]) -> str:
    """What makes the results."""
    data = "" if result["data"]["source"] in CARRIED else " --data PATH"
    if "test" in result["data"]:
        data = " --test-digits PATH"
    device = f" --device {result['settings']['device']}" if "device" in result["settings"] else ""
    return f"python -m studies study {result['study'].removesuffix(OTHER_TEST)}{data}{device}"


def setup(result: dict) -> str:
    """What was run, on what, from which revision of the code."""
    data, search, machines = result["data"], result["search"], result["machines"]
    runs = [run for row in result["rows"] for run in row["runs"]]
    lines = [f"- **Data:** {data['name']}; training / validation / test: {data['recordings']}."]
    shared = ", ".join(f"{key} {value}" for key, value in result["settings"].items())
    lines.append(
        f"- **Settings of all rows:** {shared}; the rest as each method's own defaults have it."
    )
    if search["trials"] > 1:
        tried = dict.fromkeys(
            "; ".join(named(choice) for choice in row["tried"]) for row in result["rows"]
        )
        lines.append(
            f"- **Search:** {search['trials']} trials a row, whole runs with seed "
            f"{' and '.join(map(str, search.get('seeds') or [search['seed']]))}; "
            f"{search['rule']}. Tried: {' / '.join(tried)}."
        )
    for group, rows in groups(result).items():
        pairs = ", ".join(f"{row['label']} ({row['like']})" for row in rows if row.get("like"))
        if pairs:
            lines.append(f"- **{group}:** these rows take the choice of another one: {pairs}.")
    seeds = ", ".join(map(str, sorted({run["seed"] for run in runs})))
    lines.append(f"- **Seeds of the final runs:** {seeds}.")
    places = "; ".join(
        (f"{m['gpu']} with " if "gpu" in m else "")
        + f"{m['processor']}, {m['cores']} cores, {m['system']}, Python {m['python']}, "
        f"torch {m['torch']}"
        for m in machines
    )
    threads = sorted({run["threads"] for run in runs})
    revisions = ", ".join(dict.fromkeys(f"`{run['revision']}`" for run in runs))
    lines.append(f"- **Machine:** {places}; threads {', '.join(map(str, threads))}.")
    lines.append(f"- **Code:** git revision {revisions} (+: with changes).")
    return "\n".join(lines)


def draw(result: dict[str, Any]) -> dict[str, bytes]:
    """File name → content: NAME.png and NAME.svg, both with the figure in words."""
    kind = kind_of(result)
    figure = cache(lambda: kind.figure(result))  # one for both: a second layout moves it by a hair
    return pictures(result["study"], figure, kind.alt(result), result["title"])


def pictures(
    name: str, figure: Callable[[], Figure], alt: str, title: str | None = None, **options
) -> dict[str, bytes]:
    """The same of any figure; options: of ``savefig``."""
    made, titled = {}, {"Title": title} if title else {}
    forms = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None, **titled}}
    with style(), matplotlib.rc_context({"svg.hashsalt": name, "savefig.dpi": 120}):
        for form, metadata in forms.items():
            stream = io.BytesIO()
            metadata |= {"Description": alt}
            figure().savefig(stream, format=form, metadata=metadata, **options)
            made[f"{name}.{form}"] = stream.getvalue()
    return made


def findings(result: dict[str, Any]) -> str:
    """What was found, as a list in Markdown. Differences are in points, with 95 % intervals."""
    return "\n".join(f"- {sentence}" for sentence in kind_of(result).answers(result))


def fill(text: str, result: dict[str, Any]) -> str:
    """The text with this study's blocks written anew."""
    for word, make in {"study": summary, "findings": findings}.items():
        text = files.fill(
            text, word, lambda name, make=make: make(result) if name == result["study"] else None
        )
    return text

"""The study of what a fixed budget of forward passes should be spent on: maps of two settings."""

from studies.plan import Row, Study

#: forward passes of one recording that every cell of the maps may spend
BUDGET = 256 * 64 * 400
RATES = tuple({"lr": lr} for lr in (0.0025, 0.005, 0.01, 0.02, 0.04))


def _cell(line, group, population, batch=64, scale=1.0, like=None) -> Row:
    sigma = (0.014 * scale, 0.03 * scale)
    options = {"population": population, "sigma": sigma}
    steps = BUDGET // (population * batch)
    settings = {"method": "eggroll", "options": options, "batch_size": batch, "steps": steps}
    return Row(f"{line}, {population:,} members", settings, group, like=like)


def _sigma_map(group: str) -> tuple[Row, ...]:
    """σ as a factor of its default; a population's rate is searched at the default."""
    return tuple(
        _cell(f"σ × {scale:g}", group, population, scale=scale,
              like=None if scale == 1 else f"{group} · σ × 1, {population:,} members")
        for scale in (0.25, 0.5, 1, 2, 4) for population in (32, 128, 512, 2048)
    )  # fmt: skip


SPENDING = Study(
    name="budget",
    title="What to spend a fixed budget on",
    question="At equal forward passes: σ, members, recordings a batch, or generations?",
    rows=(
        *_sigma_map("σ and population, batch 64"),
        *(
            _cell(f"batch {batch}", "batch and population", population, batch)
            for batch in (16, 64, 256) for population in (32, 128, 512, 2048)
        ),
    ),
    settings={"hidden": (128,), "readout": "membrane", "shift": 0},
    search=RATES,
    kind="map",
)  # fmt: skip

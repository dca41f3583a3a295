"""Tables of LocalZO's times: milliseconds, speed-ups and, where there are any, bars."""

from studies.bench.timing import row

LOOP, DENSE, SPARSE = "autograd loop, dense surrogate", "kernel, dense surrogate", "kernel, LocalZO"
#: T → how many times faster than the loop LocalZO should be, backward and in both passes
BARS = {100: (10, 4), 300: (15, 6)}


def speed_ups(times: dict[str, dict]) -> str:
    """A line a contestant, against the autograd loop, which is the first."""
    lines = ["  " + " " * 34 + "forward ms backward ms   backward ×  overall ×    active"]
    for name, own in times.items():
        backward, both = ratios(times, LOOP, name)
        active = "" if name.startswith("autograd") else f"{own['active']:9.2%}"
        lines.append(
            f"  {name:34s}{1000 * own['forward']:10.1f} {1000 * own['backward']:11.1f} "
            f"{backward:12.1f} {both:10.1f} {active}".rstrip()
        )
    return "\n".join(lines)


def comparison(steps: int, found: dict, bars: bool) -> str:
    """Setting, table, and what LocalZO gains: in all, and by being sparse."""
    rates = ", ".join(f"{rate:.1%}" for rate in found["hidden"])
    lines = [
        f"T = {steps}: {found['inputs']:.2%} of inputs and {rates} of hidden neurons spike in a "
        f"step; largest difference of LocalZO's gradients, loop against kernel with the same z: "
        f"{found['difference']:.0e} of the largest entry",
        speed_ups(found["times"]),
    ]
    for rival in (LOOP, DENSE):
        wanted = BARS.get(steps) if bars and rival == LOOP else None
        for phase, ratio, bar in zip(
            ("backward", "both passes"), ratios(found["times"], rival, SPARSE),
            wanted or (None, None), strict=True,
        ):  # fmt: skip
            lines.append(row(f"LocalZO, {phase}, against {rival}", ratio, "×", bar))
    return "\n".join(lines)


def ratios(times: dict[str, dict], slow: str, fast: str) -> tuple[float, float]:
    """How many times longer ``slow`` takes: the backward pass, both passes."""
    return tuple(times[slow][phase] / times[fast][phase] for phase in ("backward", "both"))

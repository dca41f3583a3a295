"""Exercises of lesson 01: a pixel's events, counts in frames, what fades, noise, and few inputs."""

import math
from functools import cache

import numpy as np

from course_lab.checks.engine import compare
from course_lab.checks.engine.cases import at
from course_lab.checks.engine.engine import Exercise, Mistake, NotYet, Part
from course_lab.checks.engine.open import Open
from course_lib.events import load_splits

TOPIC = "01_events"
SIDE = 34

# ------------------------------------------------------------------------------- a pixel


def step_events(before, after, threshold):
    steps = (math.log(after) - math.log(before)) / threshold
    return math.trunc(steps)


def _shares(before, after, threshold):
    share = math.log1p(threshold if after > before else -threshold)
    return math.trunc(math.log(after / before) / abs(share))


STEP_EVENTS = Exercise(
    "step_events", TOPIC, points=1,
    goal="turn a change of light into events",
    reference=step_events,
    cases=lambda rng: [
        (10.0, 20.0, 0.3), (20.0, 9.0, 0.3), (100.0, 200.0, 0.3), (50.0, 50.0, 0.2),
        (8.0, 9.0, 0.3), (9.0, 8.0, 0.3), (1.0, 3.0, 0.3), (0.05, 0.9, 0.3),
        *[(*rng.uniform(1, 300, 2), rng.uniform(0.1, 0.5)) for _ in range(4)],
    ],
    mistakes=(
        Mistake("you compare the light itself. The pixel watches its logarithm, so that equal "
                "ratios count the same in shade and sun.",
                lambda a, b, C: math.trunc((b - a) / C)),
        Mistake("you use a logarithm of another base. The threshold C belongs to the natural "
                "one, math.log.", lambda a, b, C: math.trunc(math.log10(b / a) / C),
                lambda a, b, C: math.trunc(math.log2(b / a) / C)),
        Mistake("you lose the direction: darker events count as negative.",
                lambda a, b, C: math.trunc(abs(math.log(b / a)) / C)),
        Mistake("the sign is turned round: brighter counts as positive, darker as negative.",
                lambda a, b, C: math.trunc(math.log(a / b) / C)),
        Mistake("// and floor round down, and for a fall down means further away from zero: −2.6 "
                "thresholds become −3. A pixel speaks only of whole thresholds that were passed.",
                lambda a, b, C: math.floor(math.log(b / a) / C)),
        Mistake("you round to the nearest number. A threshold that was not quite reached brings no "
                "event.", lambda a, b, C: round(math.log(b / a) / C)),
        Mistake("you round up. A threshold that was not quite reached brings no event.",
                lambda a, b, C: math.ceil(math.log(b / a) / C),
                lambda a, b, C: int(math.copysign(math.ceil(abs(math.log(b / a)) / C), b - a))),
        Mistake("you say only whether there is an event. A large jump sends several.",
                lambda a, b, C: int(np.sign(math.trunc(math.log(b / a) / C)))),
        Mistake("the number of events is a whole number: drop what is left after the last whole "
                "threshold.", lambda a, b, C: math.log(b / a) / C),
        Mistake("in yours a step is a share of the light, × (1 + C) up and × (1 − C) down. The "
                "pixel takes its steps in the logarithm: C is one.", _shares),
        Mistake("you round to the nearest number, for brighter at least. A threshold that was not "
                "quite reached brings no event.",
                lambda a, b, C: int(math.log(b / a) / C + 0.5)),
        Mistake("only one of the two logarithms is divided. Set brackets: (log b − log a) / C.",
                lambda a, b, C: math.trunc(math.log(b) - math.log(a) / C)),
        Mistake("you take a logarithm of the threshold, too. C is one already.",
                lambda a, b, C: math.trunc(math.log(b / a) / math.log(1 + C))),
        Mistake("you count the levels of a fixed ladder. The pixel measures from the light that it "
                "remembers.",
                lambda a, b, C: math.floor(math.log(b) / C) - math.floor(math.log(a) / C)),
        Mistake("you add something to the light before the logarithm. Equal ratios should count "
                "the same, in the dark as well.",
                lambda a, b, C: math.trunc((math.log1p(b) - math.log1p(a)) / C)),
        Mistake("you take the change as a share of the light before. For small changes that is "
                "nearly the change of the logarithm, for large ones it is not: log(b / a).",
                lambda a, b, C: math.trunc((b - a) / a / C)),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- counts


def count_events(x, y, t, p, bins):
    since = t - t[0]
    index = since // (since[-1] // bins)
    kept = index < bins
    frames = np.zeros((bins, 2, SIDE, SIDE))
    np.add.at(frames, (index[kept], p[kept], y[kept], x[kept]), 1)
    return frames


def _counts(x, y, t, p, bins, *, clamp=False, order="pyx", start=None, flip=False,
            rest="drop", longer=0):  # fmt: skip
    since = t - (t[0] if start is None else start)
    width = since[-1] / bins if "real" in rest else max((since[-1] + longer) // bins, 1)
    index = np.floor(since / width + 1e-9).astype(int)
    if "clip" in rest:
        index = np.minimum(index, bins - 1)
    if rest == "before":
        index = np.maximum((since - 1) // width, 0)
    if rest == "closed":
        index = np.where(since == bins * width, bins - 1, index)
    kept = (index < bins) & (index >= 0)
    frames = np.zeros((bins, 2, SIDE, SIDE))
    columns = {"p": 1 - p if flip else p, "y": y, "x": x}
    first, second, third = (columns[name][kept] for name in order)
    np.add.at(frames, (index[kept], first, second, third), 1)
    return np.minimum(frames, 1) if clamp else frames


def _stream(rng, n, span, bins):
    """n events whose times start above zero and leave a remainder, some of them at the very start
    of a bin; one pixel speaks often."""
    t = rng.integers(0, span, n)
    t[:bins] = np.arange(bins) * (span // bins)
    t[bins] = span
    t = np.sort(t) + int(rng.integers(500, 5000))
    x, y, p = rng.integers(0, SIDE, n), rng.integers(0, SIDE, n), rng.integers(0, 2, n)
    often = rng.random(n) < 0.4
    x[often], y[often] = 7, 21
    return x, y, t, p, bins


COUNT_EVENTS = Exercise(
    "count_events", TOPIC, points=2,
    goal="add up with repeated indices",
    reference=count_events,
    cases=lambda rng: [_stream(rng, 300, 30_009, 10), _stream(rng, 60, 9_997, 3),
                       _stream(rng, 40, 1_000, 1),
                       at("a place has more events than a byte can count",
                          *_stream(rng, 1500, 5_000, 1))],
    mistakes=(
        Mistake("`frames[…] += 1` adds only once for an index that occurs twice: NumPy reads all "
                "places, adds, and writes them back. The lesson's frames are so, and yours should "
                "count: look at what np.add.at does.",
                lambda *a: _counts(*a, clamp=True)),
        Mistake("x and y are the wrong way round: a picture has rows first, [y, x].",
                lambda *a: _counts(*a, order="pxy")),
        Mistake("the polarities are swapped: p = 0 belongs to frame[0].",
                lambda *a: _counts(*a, flip=True)),
        Mistake("bins are counted from the first event, not from time 0.",
                lambda *a: _counts(*a, start=0)),
        Mistake("what the rounding leaves over belongs to no bin, the last event too; you put it "
                "into the last one.", lambda *a: _counts(*a, rest="clip")),
        Mistake("the width of a bin is a whole number of microseconds: // and not /.",
                lambda *a: _counts(*a, rest="real"), lambda *a: _counts(*a, rest="real, clip")),
        Mistake("the axes are (bin, polarity, row, column); yours are in another order.",
                lambda *a: np.moveaxis(_counts(*a), 0, 1),
                lambda *a: np.moveaxis(_counts(*a), 1, 3)),
        Mistake("you add both polarities up. They have frames of their own.",
                lambda *a: _counts(*a).sum(axis=1)),
        Mistake("there is nothing in yours: the frames are made, but no event is written.",
                lambda *a: np.zeros((a[4], 2, SIDE, SIDE))),
        Mistake("a bin has its beginning and not its end, the last one too, but np.histogram "
                "counts what lies on the last edge.", lambda *a: _counts(*a, rest="closed")),
        Mistake("the time to be cut goes from the first event to the last; you take a "
                "microsecond more.",
                lambda *a: _counts(*a, longer=1)),
        Mistake("the width of a bin comes from the time of the last event, as if the first had "
                "come at 0. What is cut is the time between them.",
                lambda *a: _counts(*a, longer=a[2][0])),
        Mistake("an event at the very moment when a bin begins belongs to that bin. In yours it "
                "belongs to the one before.", lambda *a: _counts(*a, rest="before")),
        Mistake("your bins hold equally many events. They are to be equally long.",
                lambda x, y, t, *a: _counts(x, y, np.arange(len(t)), *a),
                lambda x, y, t, *a: _counts(x, y, np.arange(len(t)), *a, longer=1)),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- what fades


def fading_picture(x, y, t, now, tau):
    picture = np.zeros((SIDE, SIDE))
    seen = t <= now
    picture[y[seen], x[seen]] = np.exp(-(now - t[seen]) / tau)  # the last one of a pixel stays
    return picture


def _faded(x, y, t, now, tau, *, future=False, order="last", swap=False, sign=-1, two=False,
           strict=False):  # fmt: skip
    seen = np.ones(len(t), bool) if future else t < now if strict else t <= now
    x, y, t = (column[seen] for column in (x, y, t))
    rows, columns = (x, y) if swap else (y, x)
    value = np.exp(sign * (now - t) / tau) if not two else 2.0 ** (-(now - t) / tau)
    picture = np.zeros((SIDE, SIDE))
    if order == "sum":
        np.add.at(picture, (rows, columns), value)
    elif order == "first":
        for row, column, now_there in zip(rows[::-1], columns[::-1], value[::-1], strict=True):
            picture[row, column] = now_there  # in this order, which NumPy would not promise
    elif order == "linear":
        picture[rows, columns] = np.maximum(0, 1 - (now - t) / tau)
    else:
        picture[rows, columns] = value
    return picture


def _overwritten(x, y, t, now, tau):
    last = np.full((SIDE, SIDE), -np.inf)
    last[y, x] = t
    return np.where(last <= now, np.exp(-(now - last) / tau), 0)


def _seen(rng, later):
    """60 events, all before `now`, or one in three of them after it."""
    x, y, t, _, _ = _stream(rng, 60, 90_000, 1)
    now = int(t[40]) if later else int(t[-1]) + int(rng.integers(0, 9_000))
    return x, y, t, now, float(rng.uniform(5_000, 40_000))


FADING_PICTURE = Exercise(
    "fading_picture", TOPIC, points=2,
    goal="keep of each pixel how long ago it spoke",
    reference=fading_picture,
    cases=lambda rng: [
        *[_seen(rng, False) for _ in range(3)],
        at("a pixel's last event is at time 0", np.array([1, 2]), np.array([4, 3]),
           np.array([0, 700]), 1_000, 2_000.0),
    ],
    parts=(Part("events after `now` have not happened yet", lambda rng: [
        _seen(rng, True), at("nothing has happened yet", *_seen(rng, False)[:3], 100, 2_000.0)]),),
    mistakes=(
        Mistake("events after `now` have not happened yet: leave them out.",
                lambda *a: _faded(*a, future=True),
                lambda x, y, t, now, tau: _faded(x, y, now - abs(now - t), now, tau)),
        Mistake("you add up all events of a pixel. Only its last one counts here.",
                lambda *a: _faded(*a, order="sum")),
        Mistake("you keep the first event of a pixel: the last one before `now` counts.",
                lambda *a: _faded(*a, order="first")),
        Mistake("x and y are the wrong way round: a picture has rows first, [y, x].",
                lambda *a: _faded(*a, swap=True)),
        Mistake("yours grows with age: the exponent is negative, −age / τ.",
                lambda *a: _faded(*a, sign=1)),
        Mistake("you halve at every τ. After one τ, 1/e is left: np.exp(−age / τ).",
                lambda *a: _faded(*a, two=True)),
        Mistake("you fade in a straight line. Share by share, a leak gives an exponential.",
                lambda *a: _faded(*a, order="linear")),
        Mistake("you measure age from the start of the recording: it is now − t.",
                lambda x, y, t, now, tau: _faded(x, y, t[0] + now - t, now, tau, future=True)),
        Mistake("a pixel that never spoke is 0; yours is 1.",
                lambda *a: np.where(_faded(*a) == 0, 1, _faded(*a))),
        Mistake("an event exactly at `now` has happened: its age is 0, and all of it is left.",
                lambda *a: _faded(*a, strict=True)),
        Mistake("later events take away what a pixel said before `now`. Leave them out first, "
                "and then look for the last one.", _overwritten),
        Mistake("a pixel that never spoke is 0. In yours it seems to have spoken at time 0.",
                lambda *a: np.where(_faded(*a) == 0, np.exp(-a[3] / a[4]), _faded(*a))),
        Mistake("// cuts age / τ off to a whole number. The memory fades all the time: age / τ.",
                lambda x, y, t, now, tau: _faded(x, y, now - (now - t) // tau * tau, now, tau)),
        Mistake("you measure age up to the latest event. It is measured up to `now`.",
                lambda x, y, t, now, tau: _faded(x, y, t, t[t <= now].max(initial=0), tau)),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- a bug to find


def nearest_average(known, labels, unknown):
    return _distances(known, labels, unknown).argmin(axis=0)


def _distances(known, labels, unknown, middle=np.mean):
    """Squared distances (10, m) of unknown recordings from each digit's average."""
    return _far([middle(known[labels == digit], axis=0) for digit in range(10)], unknown)


def _far(points, unknown):
    return np.stack([((unknown - point.astype(float)) ** 2).sum(axis=1) for point in points])


def _truncated(known, labels, unknown, *, rounded=False, pick="argmin", signed=True):
    means = np.stack([known[labels == digit].mean(axis=0) for digit in range(10)])
    means = np.round(means) if rounded else np.trunc(means)
    distance = np.stack([((unknown - mean) ** 2).sum(axis=1) for mean in means])
    return getattr(distance, pick)(axis=0)


def _digits(rng, n=6, inputs=60):
    """Bits around ten patterns of chances, uint8 as frames are stored; every digit occurs."""
    chances = rng.uniform(0, 1, (10, inputs))
    labels = rng.permutation(np.repeat(np.arange(10), n))

    def bits(named):
        return (rng.random((len(named), inputs)) < chances[named]).astype(np.uint8)

    return bits(labels), labels, bits(rng.integers(0, 10, 12))


def _decided_by_averages(rng):
    """Recordings of which medians read others than averages do. No two averages are as near, or
    have as large a product."""
    while True:
        case = known, labels, unknown = _digits(rng, 5, 12)
        products = np.stack([unknown @ known[labels == d].mean(axis=0) for d in range(10)])
        best = np.sort([_distances(*case), -products], axis=1)[:, :2]
        medians = _distances(*case, middle=np.median).argmin(axis=0)
        if (np.diff(best, axis=1) > 0.01).all() and (medians != nearest_average(*case)).any():
            return case


def _unequal(known, labels, unknown):
    """Without most recordings of the digits 0 to 4."""
    kept = (labels > 4) | (np.arange(len(labels)) % 3 == 0)
    kept[[np.flatnonzero(labels == digit)[0] for digit in range(5)]] = True
    return known[kept], labels[kept], unknown


NEAREST_AVERAGE = Exercise(
    "nearest_average", TOPIC, points=2, kind="bug",
    goal="find a number that was cut off without a word",
    reference=nearest_average,
    cases=lambda rng: [
        _digits(rng), _decided_by_averages(rng),
        at("there are more recordings of one digit than of another",
           *_unequal(*_digits(rng, 8, 40))),
    ],
    mistakes=(
        Mistake("the averages are whole numbers, as in the function that was given, or become so "
                "before they are compared. Print what you subtract from `unknown`, and its dtype: "
                "what became of an average such as 0.4?", _truncated),
        Mistake("you round the averages to 0 and 1 now. 0.4 should stay 0.4: give the array a type "
                "that can hold it.", lambda *a: _truncated(*a, rounded=True)),
        Mistake("each digit has one number for all inputs in yours. The average of a digit is a "
                "picture: the mean over its recordings, axis 0.",
                lambda k, labels, u: np.stack([((u - k[labels == d].mean()) ** 2).sum(axis=1)
                                               for d in range(10)]).argmin(axis=0)),
        Mistake("argmax takes the average that lies farthest away. argmin was right: the fault "
                "lies elsewhere.",
                lambda *a: _truncated(*a, pick="argmax"),
                lambda k, labels, u: np.stack([((u - k[labels == d].mean(axis=0)) ** 2).sum(axis=1)
                                               for d in range(10)]).argmax(axis=0)),
        Mistake("you count each pixel's distance without its square, so that too much and too "
                "little cancel.",
                lambda k, labels, u: np.stack([(u - k[labels == d].mean(axis=0)).sum(axis=1)
                                               for d in range(10)]).argmin(axis=0)),
        Mistake("the answer is wanted for each unknown recording: axis 0 of `distance` is the "
                "digit.",
                lambda k, labels, u: np.stack([((u - k[labels == d].mean(axis=0)) ** 2).sum(axis=1)
                                               for d in range(10)]).argmin(axis=1)),
        Mistake("the largest product is not the smallest distance: averages of many active "
                "pixels win.",
                lambda k, labels, u: np.stack([u @ k[labels == d].mean(axis=0)
                                               for d in range(10)]).argmax(axis=0)),
        Mistake("you take the median, which of bits is 0, 1, or ½ where they tie. The average of a "
                "pixel that is 1 in four of ten recordings is 0.4: the mean.",
                lambda *a: _distances(*a, middle=np.median).argmin(axis=0)),
        Mistake("you add up how far off the pixels are, without squares. Another distance has "
                "other neighbours; the function that was given squares.",
                lambda k, labels, u: np.stack([abs(u - k[labels == d].mean(axis=0)).sum(axis=1)
                                               for d in range(10)]).argmin(axis=0)),
        Mistake("you compare with the sum of a digit's recordings. Compare with their average.",
                lambda *a: _distances(*a, middle=np.sum).argmin(axis=0)),
        Mistake("you look for the nearest single recording. Asked is the nearest average of a "
                "digit.", lambda k, labels, u: labels[_far(k, u).argmin(axis=0)]),
        Mistake("you return how near the nearest average is. Asked is whose it is: argmin.",
                lambda *a: _distances(*a).min(axis=0)),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- noise


def supported(x, y, t, window):
    last = np.full((SIDE + 2, SIDE + 2), -np.inf)  # a border, so that every pixel has neighbours
    keep = np.zeros(len(t), bool)
    for event in range(len(t)):
        row, column = y[event] + 1, x[event] + 1
        around = last[row - 1 : row + 2, column - 1 : column + 2].copy()
        around[1, 1] = -np.inf
        keep[event] = t[event] - around.max() <= window
        last[row, column] = t[event]
    return keep


def _support(x, y, t, window, *, own=False, cross=False, strict=False, later=False, wrap=False,
             earlier=False, kept_only=False, far=1):  # fmt: skip
    x, y, t = (np.asarray(column).astype(int) for column in (x, y, t))
    keep = np.zeros(len(t), bool)
    for e in range(len(t)):
        dx, dy = np.abs(x - x[e]), np.abs(y - y[e])
        if wrap:
            dx, dy = np.minimum(dx, SIDE - dx), np.minimum(dy, SIDE - dy)
        near = (dx + dy <= 1) if cross else (dx <= far) & (dy <= far)
        near &= True if own else (dx > 0) | (dy > 0)
        age = t[e] - t
        near &= (
            (np.abs(age) < window if strict else np.abs(age) <= window)
            if later
            else ((age < window if strict else age <= window) & (np.arange(len(t)) < e))
        )
        near[e] = False
        if earlier:
            near &= age > 0
        if kept_only:
            near &= keep | (kept_only == "or the first") & (np.arange(len(t)) == 0)
        keep[e] = near.any()
    return keep


def _noisy(rng):
    """A moving dot in noise: neighbours in time and space, repeats, equal times, the borders, and
    ages of exactly the window."""
    window, n = int(rng.integers(300, 800)), 60
    t = np.cumsum(rng.choice([0, 40, window // 4, window], n, p=[0.1, 0.5, 0.25, 0.15]))
    x, y = rng.integers(0, SIDE, n), rng.integers(0, SIDE, n)
    dot = rng.random(n) < 0.7
    x[dot] = np.clip(np.arange(n)[dot] // 3 + rng.integers(-1, 2, dot.sum()), 0, 33)
    y[dot] = rng.choice([0, 1, 33], dot.sum(), p=[0.5, 0.4, 0.1])
    return x, y, t, window


SUPPORTED = Exercise(
    "supported", TOPIC, points=3,
    goal="write an algorithm from its description alone",
    reference=supported,
    cases=lambda rng: [
        *[_noisy(rng) for _ in range(4)],
        at("the recording begins at time 0", np.array([5, 20, 20]), np.array([7, 30, 31]),
           np.array([0, 0, 3]), 10),
        at("many events lie between an event and its support", np.array([5, *[20] * 300, 6]),
           np.array([7, *[20] * 300, 7]), 9000 + np.arange(302), 400),
    ],
    mistakes=(
        Mistake("a pixel supports itself in yours. Noise repeats, so only the eight pixels around "
                "count.", lambda *a: _support(*a, own=True)),
        Mistake("you look at four neighbours. Those at the corners count as well: eight.",
                lambda *a: _support(*a, cross=True)),
        Mistake("an event exactly `window` microseconds ago still counts: ≤, not <.",
                lambda *a: _support(*a, strict=True)),
        Mistake("you let later events speak for earlier ones. A camera cannot wait: only events "
                "before this one in the list count.", lambda *a: _support(*a, later=True)),
        Mistake("the sensor has borders. The left neighbour of column 0 is not column 33; a "
                "negative index wraps round.", lambda *a: _support(*a, wrap=True)),
        Mistake("an event without support still supports others: remember all events, not only "
                "those that you keep.", lambda *a: _support(*a, kept_only=True),
                lambda *a: _support(*a, kept_only="or the first")),
        Mistake("an event at the same microsecond counts if it stands before in the list. In yours "
                "it has to be earlier.", lambda *a: _support(*a, earlier=True)),
        Mistake("a pixel that never spoke supports nobody. In yours it seems to have spoken at "
                "time 0.", lambda x, y, t, w: _support(x, y, t, w) | (t <= w)),
        Mistake("pixels at the border have neighbours too, if fewer. In yours nobody supports an "
                "event at row or column 0: there a slice that begins at −1 is empty.",
                lambda x, y, t, w: _support(x, y, t, w) & (x > 0) & (y > 0)),
        Mistake("you look two pixels far. Only the eight pixels around count.",
                lambda *a: _support(*a, far=2)),
        Mistake("yours is turned round: True is for the events to keep.",
                lambda *a: ~_support(*a)),
    ),
)  # fmt: skip

# ------------------------------------------------------------------------------- few inputs

BUDGET, EACH = 50, 30


def choose_inputs(known, labels, budget):
    means = np.stack([known[labels == digit].mean(axis=0) for digit in range(10)])
    worth = (means.var(axis=0) / (known.var(axis=0) + 0.02)).reshape(-1, 2, SIDE, SIDE)
    chosen = []
    for _ in range(budget):
        best = int(worth.argmax())
        _, _, y, x = np.unravel_index(best, worth.shape)
        chosen.append(best)
        worth[:, :, max(0, y - 1) : y + 2, max(0, x - 1) : x + 2] *= 0.8  # neighbours say the same
        worth.reshape(-1)[best] = 0
    return chosen


@cache
def _recordings():
    return load_splits(progress=False)


def _drawn(data, rng):
    """(300, 23120) bits of 30 recordings a digit, and their labels."""
    labels = data.labels.numpy()
    rows = np.concatenate([rng.permutation(np.flatnonzero(labels == k))[:EACH] for k in range(10)])
    return data.frames(rows).transpose(0, 1).flatten(1).numpy(), labels[rows]


def _few_inputs(rng, budget=BUDGET):
    (known, labels), (unknown, truth) = (
        _drawn(data, rng) for data in (_recordings().train, _recordings().test)
    )

    def right(chosen) -> float:
        chosen = np.asarray(chosen).ravel()
        if chosen.size == known.shape[1] and np.isin(chosen, (0, 1)).all():
            raise NotYet("  That is a mask, an answer for each input. Return the numbers of those "
                         "that you keep: np.flatnonzero(mask).")  # fmt: skip
        chosen = np.unique(chosen)
        whole, inputs = chosen.dtype.kind in "iu", range(known.shape[1])
        strange = [n for n in chosen.tolist() if not whole or n not in inputs]
        if strange or not 0 < len(chosen) <= budget:
            what = (f"{compare.show(strange[-1])} is none" if strange else
                    f"yours has {len(chosen)} different ones")
            raise NotYet(f"  Return the numbers of at most `budget` inputs, here {budget}, whole "
                         f"numbers from 0 to {inputs[-1]}; {what}.")  # fmt: skip
        answers = nearest_average(known[:, chosen], labels, unknown[:, chosen])
        return float(np.mean(answers == truth))

    return (known, labels, budget), right


CHOOSE_INPUTS = Open(
    "choose_inputs", TOPIC, points=3,
    goal="find out where the information sits",
    reference=choose_inputs, trial=_few_inputs, less=7,
    marks=((0.42, 1), (0.52, 2), (0.62, 3)), 
    wording="{:.1%} read right".format,
)  # fmt: skip

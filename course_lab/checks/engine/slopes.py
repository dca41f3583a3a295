"""Spikes that a student wrote: whether they are spikes, teach anything, and draw their slopes."""

import numpy as np
import torch

from course_lab.checks.engine import tiny
from course_lab.checks.engine.engine import NotYet
from course_lab.checks.engine.failures import Refused


def whole(spikes: torch.Tensor) -> torch.Tensor:
    """The spikes; Refused unless each is 0 or 1, but for what is lost when a slope is added."""
    part = spikes.detach().double()
    part = part[(part * (part - 1)).abs() > 1e-6]
    if part.numel():
        raise Refused(f"a spike is 0 or 1; one of yours is {part[0].item():.3g}")
    return spikes


class Seeing:
    """What sees the slopes of a student's spike on their way back.

    slopes: of each time step (|u|, G, blame below), each (B, 8), in the order in which they were
            run; G, the share of the blame that came through, is NaN where none came.
    """

    def __init__(self):
        self.slopes = []

    def seen(self, u, s):
        if u.requires_grad and s.requires_grad:
            place, above = len(self.slopes), []
            self.slopes.append(None)
            s.register_hook(above.append)

            def keep(below):
                G = torch.where(above[0] == 0, torch.nan, below / above[0])
                self.slopes[place] = u.detach().abs().numpy(), G.numpy(), below.numpy()

            u.register_hook(keep)
        return s

    def __deepcopy__(self, memo):
        return self


def falls(u: np.ndarray, G: np.ndarray) -> bool:
    """Whether a slope (n,) follows from the distance (n,) alone, and never grows with it."""
    order = np.argsort(u)
    G = G[order][~np.isnan(G[order])]
    return bool((np.diff(G) <= 1e-4 * np.abs(G).max(initial=0)).all())


class Limited(Seeing):
    """tiny.run, through which backpropagation may go so many times: once an update.

    start: the weights (154,) that somebody begins with.
    """

    def __init__(self, start: np.ndarray, updates: int):
        super().__init__()
        self.start, self.allowed, self.updates = start, updates, 0

    def __call__(self, weights, frames, spike):
        logits, spikes = tiny.run(weights, frames, lambda u: self.seen(u, whole(spike(u))))
        if logits.requires_grad:
            logits.register_hook(self.count)
        return logits, spikes

    def count(self, gradient) -> None:
        self.updates += 1
        if self.updates > self.allowed:
            raise Refused(f"that was update number {self.updates}; {self.allowed} are allowed")

    def accuracy(self, weights) -> float:
        """Share of unseen digits read right by a network whose hidden layer has learned, too, by
        slopes that fall off with the distance."""
        seen = [[part.ravel() for part in slopes] for slopes in self.slopes if slopes]
        came = np.concatenate([np.zeros(1), *(G[~np.isnan(G)] for _, G, _ in seen)])[1:]
        why = "The output alone has learned: what does your spike's backward return?"
        if came.any():
            why = ("Blame has come through your spike. What becomes of the gradient of the first "
                   f"{tiny.CUTS[1]} weights?")  # fmt: skip
        right = tiny.learned(weights, self.start, why)
        if not all(falls(u, G) for u, G, _ in seen):
            if all(falls(u, below) for u, _, below in seen):
                raise NotYet("  Your backward hands on the slope alone. The blame that comes from "
                             "above has to be multiplied by it.")  # fmt: skip
            raise NotYet("  A neuron far from the threshold got a larger slope than one nearer by. "
                         "ψ falls off with the distance |u|. What has your spike saved on its way "
                         "forward: u, or something else?")  # fmt: skip
        if not came.any() and (tiny.finite(weights).ravel() != self.start).any():
            raise NotYet("  No blame has come through your spike: what does its backward return?")
        if came.any() and np.ptp(came) <= 1e-4 * np.abs(came).max():
            raise NotYet("  Every neuron got the same slope, however far it was from the "
                         "threshold. ψ falls off with the distance |u|.")  # fmt: skip
        return right


class Watched(Seeing):
    """tiny.run, which may run so many times."""

    def __init__(self, allowed: int):
        super().__init__()
        self.allowed, self.runs = allowed, 0

    def __call__(self, weights, frames, spike):
        self.runs += 1
        if self.runs > self.allowed:
            raise Refused(f"that was run number {self.runs}; {self.allowed} are allowed")
        return tiny.run(weights, frames, lambda u: self.seen(u, whole(spike(u))))

    def judge(self) -> None:
        """Raise NotYet unless slopes come from draws, and from new ones each time."""
        whole = [slopes[:2] for slopes in self.slopes if slopes]
        seen = [(u.ravel(), np.nan_to_num(G.ravel())) for u, G in whole]
        runs = [k // 5 for k, slopes in enumerate(self.slopes) if slopes]
        if not any(G.any() for _, G in seen):
            raise NotYet("  No blame got past a spike: its slope was 0, or nothing asked for it. "
                         "What does your spike's backward return?")  # fmt: skip
        if all(G.all() for _, G in seen):
            raise NotYet("  Every neuron got a slope, however far it was from the threshold. A "
                         "draw reaches those with |u| < δ|z|, and nobody else.")  # fmt: skip
        if all(falls(u, G) for u, G in seen):
            raise NotYet("  Your slope follows from the distance alone, so it is a surrogate as in "
                         "lesson 03. Where are the draws, and do their sizes differ?")  # fmt: skip
        for among, turned in (("recordings", np.transpose), ("neurons", np.asarray)):
            if all(falls(*pair) for u, G in whole
                   for pair in zip(turned(u), turned(G), strict=True)):
                raise NotYet(f"  All {among} of a time step have the same draws. Every neuron and "
                             "every recording has its own: which shape has your z?")  # fmt: skip
        if self.overwritten(whole, runs):
            raise NotYet("  On the way back all time steps have the same slopes. Does one step "
                         "overwrite what another has kept? Each remembers its own, by "
                         "ctx.save_for_backward for instance.")  # fmt: skip
        if self.repeats(seen, 1, runs) or self.repeats(seen, 5):
            raise NotYet("  A neuron meets the same draws again, in every time step or in every "
                         "update. Draw anew each time that the spike is asked.")  # fmt: skip

    @staticmethod
    def overwritten(whole, runs) -> bool:
        """Whether the slopes of a run's time steps are the same, wherever the neurons are."""
        apart = [np.abs(G - later) for (_, G), (_, later), a, b
                 in zip(whole, whole[1:], runs, runs[1:], strict=False)
                 if a == b and G.shape == later.shape]  # fmt: skip
        return bool(apart) and not any((d > 1e-6).any() for d in apart)  # NaN: no blame came

    @staticmethod
    def repeats(seen, apart: int, runs=None) -> bool:
        """Whether whoever was reached is reached again as soon as it is as near: so never by
        new draws. runs: of each time step, where only those of one run are compared."""
        runs = runs or [0] * len(seen)
        pairs = [
            pair
            for pair, a, b in zip(zip(seen, seen[apart:], strict=False), runs, runs[apart:],
                                  strict=False)
            if a == b and len(pair[0][0]) == len(pair[1][0])
        ]  # fmt: skip
        return bool(pairs) and not any(
            ((G != 0) & (later == 0) & (u2 < u)).any() for (u, G), (u2, later) in pairs
        )

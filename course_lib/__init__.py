"""Spikes Without Backprop: training spiking neural networks without backpropagation.

One idea holds the library together: every training method is another way to fill ``.grad``.
"""

import os

__version__ = "0.1.0"

# After each parallel operation torch's threads turn round for a while, in case another one follows,
# and take the processor from whatever else runs, ours or another program's: on two busy cores an
# EGGROLL generation took three times as long. OpenMP reads this once, when torch is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# An arbitrary user id without HOME, as in some containers: caches would go to a folder "~" in this
# one. So nothing is kept, and every start takes longer and says so.
if os.path.expanduser("~") == "~":
    os.environ["HOME"] = os.path.join(os.sep, "no-home")

"""Spikes Without Backprop: training spiking neural networks without backpropagation.

One idea holds the library together: every training method is another way to fill ``.grad``.
"""

__version__ = "0.1.0"

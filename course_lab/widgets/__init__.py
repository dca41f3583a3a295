"""The lessons' widgets, one file a topic.

A file holds a pure render, ``render(values) -> (PNG, line of key numbers, description in words)``,
and the function that joins it to labelled controls. A render's answer depends on its values alone;
nothing is kept between calls but data that never change.
"""

from course_lab.widgets.eggroll import low_rank_search
from course_lab.widgets.events import event_bins
from course_lab.widgets.evolution import population_search
from course_lab.widgets.feedback import momentum_feedback
from course_lab.widgets.localzo import localzo_draws
from course_lab.widgets.neurons import lif_neuron
from course_lab.widgets.sparsity import spikes_at_accuracy
from course_lab.widgets.surrogates import surrogate_slope
from course_lab.widgets.sweep import Sweep
from course_lab.widgets.training import any_method
from course_lab.widgets.zeroth_order import zeroth_order_training

#: every widget of a lesson; the tests try each at the extremes of its controls
WIDGETS = {
    "event_bins": event_bins,
    "lif_neuron": lif_neuron,
    "surrogate_slope": surrogate_slope,
    "zeroth_order_training": zeroth_order_training,
    "localzo_draws": localzo_draws,
    "population_search": population_search,
    "low_rank_search": low_rank_search,
    "momentum_feedback": momentum_feedback,
    "any_method": any_method,
    "spikes_at_accuracy": spikes_at_accuracy,
}

__all__ = ["WIDGETS", "Sweep", *WIDGETS]

"""What only lessons need: figures, widgets, and the start of a lesson.

figures, event_figures, neuron_figures: pure drawing functions, they take and return axes.
picture: figures as PNG with a caption and a description in words.
widgets: controls, and what they show: one setting -> picture, numbers, description.
"""

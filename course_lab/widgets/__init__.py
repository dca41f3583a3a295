"""The lessons' widgets, one file a topic: ``from course_lab.widgets.events import event_bins``.

A file holds a pure render, ``render(values) -> (PNG, line of key numbers, description in words)``,
and the function that joins it to labelled controls, ``widget() -> Sweep``. A render's answer
depends on its values alone; nothing is kept between calls but data that never change.
"""

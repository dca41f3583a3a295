"""What ``python -m course_lib bench`` measures: each file some benchmarks, ``timing.py`` how."""

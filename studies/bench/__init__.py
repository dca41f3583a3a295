"""What ``python -m studies bench`` measures: each file some benchmarks, ``timing.py`` how."""

"""The same numbers many times faster, behind one door: ``engine.py``."""

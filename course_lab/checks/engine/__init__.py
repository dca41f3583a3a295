"""How a check runs a student's function, compares, and names the mistake."""

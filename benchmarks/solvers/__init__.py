"""`wgf bench solvers`: every solver on problems with known answers, error against time."""

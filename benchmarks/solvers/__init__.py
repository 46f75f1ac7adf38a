"""`wgf bench solvers`: the error of every solver against its time, on problems with known answers."""

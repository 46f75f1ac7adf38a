"""Near-linear sums over pairs: by non-uniform Fourier transforms up to three dimensions, by sorting in one."""

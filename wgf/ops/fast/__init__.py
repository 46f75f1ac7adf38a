"""Fast sums over pairs: by non-uniform Fourier transforms in up to three dimensions, by sorting in one."""

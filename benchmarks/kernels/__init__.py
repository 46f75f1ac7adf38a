"""`wgf bench kernels`: every operation beside its peers."""

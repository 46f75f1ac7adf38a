"""`wgf bench kernels`: the speed of every operation, compared with other libraries."""

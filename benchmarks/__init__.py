"""The benchmarks of `wgf bench`: kernels and solvers compared with other libraries, and tests of the random numbers."""

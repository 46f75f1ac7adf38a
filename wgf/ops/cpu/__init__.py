"""The code of the operations on the CPU, compiled by numba."""

"""The code of the operations on a GPU, compiled by Triton."""

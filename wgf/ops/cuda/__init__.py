"""The bodies of the operations on a GPU, by Triton; the registry imports them when they are first called."""

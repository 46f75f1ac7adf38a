"""Runs as the data structures of other libraries: xarray's DataTree and ArviZ's InferenceData."""

from .arviz import to_arviz
from .datatree import to_xarray

__all__ = ["to_arviz", "to_xarray"]

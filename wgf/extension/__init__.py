"""Tools for adding classes: registries, settings read from signatures, renamed settings, functions that only read."""

from .reading import Reading, guarded
from .registry import Registry
from .renamed import renamed
from .settings import Numbers, Pairs, Rows, same_value, settings_of

__all__ = ["Numbers", "Pairs", "Reading", "Registry", "Rows", "guarded", "renamed", "same_value", "settings_of"]

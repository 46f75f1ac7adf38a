"""Tools for adding classes: registries, settings read from signatures, and renamed settings."""

from .registry import Registry
from .renamed import renamed
from .settings import Numbers, same_value, settings_of

__all__ = ["Numbers", "Registry", "renamed", "same_value", "settings_of"]

"""How things are added: registries of classes, settings read off signatures, and keywords that were renamed."""

from .registry import Registry
from .renamed import renamed
from .settings import Numbers, same_value, settings_of

__all__ = ["Numbers", "Registry", "renamed", "same_value", "settings_of"]

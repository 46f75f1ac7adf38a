"""The study `phase`: at which temperature do mean-field models order?"""

from .study import Phase

__all__ = ["Phase"]

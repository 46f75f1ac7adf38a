"""Data sets for training and testing: bundled ones by name, files, and a random teacher; the same on every machine."""

from .load import BUNDLED, SUFFIXES, TASKS, Dataset, Task, load
from .teacher import ACTIVATIONS, TEACHER, teacher_student

__all__ = ["ACTIVATIONS", "BUNDLED", "SUFFIXES", "TASKS", "TEACHER", "Dataset", "Task", "load", "teacher_student"]

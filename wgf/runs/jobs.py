"""Which job a configuration is: the training of a network, or a system of particles."""

from __future__ import annotations

from .config import Config, NetworkConfig, ProblemConfig
from .job import Job
from .particles import Particles
from .training import Training


def prepare(config: Config) -> Job:
    """Load the data of a configuration and build its objects; WgfError where something does not fit."""
    if isinstance(config, ProblemConfig):
        return Particles.of(config)
    assert isinstance(config, NetworkConfig)
    return Training.of(config)

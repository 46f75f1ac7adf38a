"""Bad settings of studies are named."""

from __future__ import annotations

import pytest

from wgf import studies
from wgf.errors import ConfigError


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("scaling", {"neurons": (8, 16)}, "wanted at least 4 different sizes"),
        ("scaling", {"steps": (8, 8, 16, 32)}, "different sizes, rising"),
        ("scaling", {"noise": 0.0}, "noise"),
        ("generalisation", {"noises": (0.0, 1.0)}, "noises = 0.0: wanted a positive number"),
        ("generalisation", {"samples": (32, 2000)}, "samples = 2000"),
        ("generalisation", {"samples": (128, 32)}, "rising"),
        ("information-force", {"ratios": ()}, "ratios"),
        ("information-force", {"ratios": (-1.0, 1.0)}, "ratios = -1.0"),
        ("information-force", {"neurons": 40}, "neurons = 40"),
        ("information-force", {"seeds": 2}, "seeds = 2"),
        ("information-force", {"places": ("two views, digit",)}, "did you mean 'two views, digits'"),
        ("information-force", {"surrogates": ("LogDet", "LogDet")}, "wanted different ones"),
    ],
)
def test_bad_settings_are_refused(name, settings, message):
    with pytest.raises(ConfigError, match=message):
        studies.load(name, **settings)


def test_settings_that_cannot_answer_are_refused():
    with pytest.raises(ConfigError, match="at least 3 different ones"):
        studies.load("chaos", sizes=(8, 16))
    with pytest.raises(ConfigError, match="columns = 4"):
        studies.load("chaos", columns=4)
    with pytest.raises(ConfigError, match="beyond t_settle"):
        studies.load("chaos", t_end=2.0)
    with pytest.raises(ConfigError, match="did you mean 'wells'"):
        studies.load("phase", models=("well",))
    with pytest.raises(ConfigError, match="at least 3 different ones"):
        studies.load("phase", durations=(10.0, 20.0))

"""The study of generalisation: labels that nothing foretells, and a small version of the whole."""

from __future__ import annotations

import math

import numpy as np
import pytest

from wgf import studies
from wgf.diagnostics import gap_bounds
from wgf.studies import Verdict, Work
from wgf.studies.generalisation import decoders


def test_memorised_labels_break_the_assumed_bound():
    """Test errors of labels that nothing foretells are binomial: 597 of them within 5σ = 0.103 of ½ (6·10⁻⁷)."""
    found = decoders.measure(0, (1.0, 10.0), (32, 256), 4, 200)
    gap = found["gap"][decoders.DECODERS.index("memorised")]
    assert np.abs(gap - 0.5).max() < 0.103
    assert (gap > [[b.value for b in (gap_bounds(i, n)["assumed"] for n in (32, 256))] for i in found["bound"]]).all()
    assert found["labels"] == pytest.approx(math.log(2), abs=1e-3)
    assert (found["gap"] <= math.sqrt(0.5 * (found["bound"].min() + float(found["labels"])))).all()


def test_the_study_of_generalisation_on_a_small_scale():
    small = {"seeds": 4, "noises": (0.3, 10.0), "samples": (32, 128), "components": 4, "draws": 500}
    outcome = studies.load("generalisation", **small).run(Work())
    table = outcome.table("gaps")
    assert [row[:2] for row in table.rows] == [[s, n] for s in (0.3, 10.0) for n in (32, 128)]
    assert table.column("B")[0] > table.column("B")[-1] > 0
    verdicts = {finding.asked: finding.verdict for finding in outcome.findings}
    broken = next(v for asked, v in verdicts.items() if "assumes I(S; W) ≤ B" in asked and "random labels" in asked)
    assert broken is Verdict.CONTRADICTED
    assert next(v for asked, v in verdicts.items() if "assumes nothing more" in asked) is Verdict.SUPPORTED

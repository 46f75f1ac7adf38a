"""Small versions of the studies of dissipation, chaos and phase, and what these studies share."""

from __future__ import annotations

import math

import pytest

from wgf import studies
from wgf.studies import Verdict


@pytest.fixture(scope="module", params=["dissipation", "chaos", "phase"])
def quick(request, tmp_path_factory):
    return studies.run(request.param, quick=True, out=tmp_path_factory.mktemp(request.param) / "run")


@pytest.mark.slow
def test_the_small_version_of_each_study_says_what_it_found(quick):
    """Seeds are fixed. Of a small version "undecided" is a fair answer, except where a question must be answered."""
    found = {finding.asked: finding.verdict for finding in quick.outcome.findings}
    assert found.get("double wells, θ = 1: β_c") is not Verdict.CONTRADICTED
    must = {
        "chaos": ["linear: exponent of the bias of E x²", "linear: exponent of the fluctuation of the mean"],
        "dissipation": ["parabola, displaced: rate with LogDet", "double well: least D/(F − F*) of the density"],
        "phase": ["double wells, θ = 1: exponent of the loop's area over its duration"],
    }
    for asked in must[quick.study.name]:
        assert found[asked] is Verdict.SUPPORTED, asked
    page = quick.report.read_text(encoding="utf-8")
    assert len(quick.outcome.figures) >= 2
    assert all(f'<section id="{figure.name}">' in page for figure in quick.outcome.figures)
    assert page.count("<svg") >= len(quick.outcome.figures)
    assert len(quick.outcome.limits) >= 4
    for finding in quick.outcome.findings:
        assert math.isfinite(finding.measured.value), finding.asked
        assert finding.measured.low <= finding.measured.value <= finding.measured.high

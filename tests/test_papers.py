"""The scripts of examples/papers at a small size: what they reproduce still comes out, and the page is up to date."""

from __future__ import annotations

import runpy
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

PAPERS = Path(__file__).parent.parent / "examples" / "papers"


def garbuno_inigo_2020(found: dict[str, Any]) -> None:
    assert found["exact"] == pytest.approx(found["PAPER"], abs=5e-4)
    for mean in (found["free"], found["with_gradients"]):
        # 0.1 of bias, and five deviations of the mean of 100 particles
        assert (abs(mean - found["exact"]) < 0.6 * found["width"]).all()


def liu_wang_2016(found: dict[str, Any]) -> None:
    assert found["last"]["left"] == pytest.approx(found["EXACT"]["left"], abs=0.06)
    assert found["ours"][40]["x²"] < 0.1 * found["monte_carlo"][40]["x²"]


def mei_2018(found: dict[str, Any]) -> None:
    assert found["best"].x == pytest.approx(found["PAPER"], abs=5e-5)
    assert found["best"].fun == pytest.approx(found["RISK"], abs=5e-6)
    assert float(found["limit"].ensemble.mean()) == pytest.approx(found["PAPER"], abs=0.05)
    assert found["distance"] < 0.2
    assert found["trained"].ledger["tested"][-1] == pytest.approx(found["radial_risk"][-1], rel=0.15)


def chizat_bach_2018(found: dict[str, Any]) -> None:
    gaps = found["gaps"]
    assert min(map(min, gaps.values())) > 0  # the bound is one
    assert gaps[20].max() < 0.1 * found["bound"] < gaps[4].min()


def geshkovski_2023(found: dict[str, Any]) -> None:
    assert found["deviation"](found["curves"][1.0], 1.0) < 1e-5
    assert found["away"][1.0][1] < found["away"][1.0][0] < 0.3
    assert found["rate"] == pytest.approx(5.4366, rel=0.01)


def carrillo_craig_patacchini_2019(found: dict[str, Any]) -> None:
    for m, errors in found["errors"].items():
        assert found["order"](errors) == pytest.approx(found["expected"][m], abs=0.15)


def dawson_1983(found: dict[str, Any]) -> None:
    assert (found["critical"], found["fixed"]) == pytest.approx((0.45695, 0.63732), abs=5e-6)
    # five deviations
    assert found["second"] == pytest.approx(found["exact"][:, 0], abs=float(5 * found["deviation"].max()))
    assert found["found"] == pytest.approx(found["fixed"], abs=0.06)
    assert min(found["times"]) > 1


def lu_lu_nolen_2019(found: dict[str, Any]) -> None:
    share, exact = found["mean_share"]("birth–death")[-1], found["shares"]["birth–death"][-1]
    assert share == pytest.approx(exact, abs=0.2)
    assert found["mean_share"]("Langevin")[-1] < 0.1 < share
    assert found["rates"]["Langevin"] < 0.1 < 0.5 < found["rates"]["birth–death"]


def nitanda_wu_suzuki_2022(found: dict[str, Any]) -> None:
    assert all(found["holds"])
    assert found["exceeded"] <= 1 + 1e-9
    assert found["certificate"].rate < found["closer"].rate < found["measured"].rate
    assert (found["gap"] > -1e-9).all()


CHECKS = {
    "carrillo_craig_patacchini_2019": carrillo_craig_patacchini_2019,
    "dawson_1983": dawson_1983,
    "garbuno_inigo_2020": garbuno_inigo_2020,
    "liu_wang_2016": liu_wang_2016,
    "lu_lu_nolen_2019": lu_lu_nolen_2019,
    "mei_2018": mei_2018,
    "nitanda_wu_suzuki_2022": nitanda_wu_suzuki_2022,
    "chizat_bach_2018": chizat_bach_2018,
    "geshkovski_2023": geshkovski_2023,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CHECKS)
def test_paper(name, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(PAPERS))
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "--small"])
    monkeypatch.delitem(sys.modules, "comparison", raising=False)
    with warnings.catch_warnings():
        warnings.simplefilter("default")  # small runs warn, as they do for a user
        found = runpy.run_path(str(PAPERS / f"{name}.py"), run_name="__main__")
    CHECKS[name](found)
    assert capsys.readouterr().out.count("paper:") == len(found["rows"])


def test_page():
    """README.md of the papers is what the kept numbers say, with a figure for each, and no script is left out."""
    names = {path.stem for path in PAPERS.glob("*.py")} - {"comparison"}
    assert names == set(CHECKS) == {path.stem for path in PAPERS.glob("numbers/*.json")}
    assert names == {path.stem for path in PAPERS.glob("figures/*.png")}
    page = runpy.run_path(str(PAPERS / "comparison.py"))["page"]()
    assert (PAPERS / "README.md").read_text(encoding="utf-8") == page, "python examples/papers/comparison.py"

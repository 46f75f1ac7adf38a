"""A run as a DataTree of xarray: particles by time, the ledger, and attributes with units and versions."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from ..errors import BackendError

_FLOW_TIME = "flow time, |x|²/F"
_ENERGY, _FORCE, _POWER, _NONE = "units of F", "units of F per unit of x", "units of F per flow time", "1"
UNITS: dict[str, str] = {
    "t": _FLOW_TIME,
    "entropy": "units of S",
    "entropy_error": "units of S",
    "entropy_production": "units of S per flow time",
    "temperature": "units of F per unit of S",
    **dict.fromkeys(("free_energy", "energy", "work", "released", "dissipated", "kinetic"), _ENERGY),
    **dict.fromkeys(("loss_force", "information_force"), _FORCE),
    **dict.fromkeys(("dissipation", "dissipation_error"), _POWER),
    **dict.fromkeys(
        ("step", "force_ratio", "alignment", "closure", "closure_total", "closure_error", "evaluations"), _NONE
    ),
    "reference_alignment": _NONE,
}
"""The units of the columns of a ledger. F and x have the units of the user's problem."""


def to_xarray(sol: Any) -> Any:
    """A solution as an xarray.DataTree; `Solution.to_xarray` documents it."""
    try:
        import xarray
    except ImportError as error:
        raise BackendError("to_xarray needs xarray: python -m pip install 'wgflow[xarray]'.") from error
    parts = {"/": xarray.Dataset(attrs=_attributes(sol)), "/particles": _particles(sol, xarray)}
    return xarray.DataTree.from_dict(parts | {"/ledger": _ledger(sol.ledger, xarray)})


def _attributes(sol: Any) -> dict[str, Any]:
    """What the run was, and what made it. Plain values, which any file format holds."""
    state = sol.state
    terms = ", ".join(term.term.name for term in state.evaluation.terms)
    return {
        "title": "a Wasserstein gradient flow of particles",
        "status": sol.status.name,
        "message": sol.status.message,
        "solver": state.solver,
        "terms": terms,
        "seed": str(state.seed),  # up to 2⁶⁴ − 1, which not every format has as a number
        "step": int(state.step),
        "t": float(state.t),
        **{f"version_{name}": _version(package) for name, package in _PACKAGES.items()},
        "version_python": platform.python_version(),
    }


_PACKAGES = {"wgf": "wgflow", "torch": "torch", "numpy": "numpy", "xarray": "xarray"}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def _particles(sol: Any, xarray: Any) -> Any:
    """x, weights and ids by time: the frames of the trajectory, or the final ensemble where there are none."""
    if sol.trajectory_times is None:
        frames, times = [sol.ensemble.to("cpu")], np.array([float(sol.state.t)])
    else:
        frames = [sol.frame(k) for k in range(len(sol.trajectory_times))]
        times = np.asarray(sol.trajectory_times, dtype=np.float64)
    data = {
        "x": (("time", "particle", "axis"), np.stack([mu.x.numpy() for mu in frames])),
        "weights": (("time", "particle"), np.stack([mu.weights.numpy() for mu in frames])),
        "id": (("time", "particle"), np.stack([mu.ids.numpy() for mu in frames])),
    }
    found = xarray.Dataset(data, coords={"time": times})
    found["x"].attrs = {"units": "units of x", "long_name": "positions of the particles"}
    found["weights"].attrs = {"units": _NONE, "long_name": "weights, with sum one in each frame"}
    found["id"].attrs = {"units": _NONE, "long_name": "identities of the particles: rows may change, ids stay"}
    found["time"].attrs = {"units": _FLOW_TIME, "long_name": "time of the frame"}
    period = sol.ensemble.period
    if period is not None:
        found.attrs["period"] = period.tolist()
    found.attrs["note"] = "a mean over particles is weighted: (x * weights).sum('particle')"
    return found


def _ledger(ledger: Any, xarray: Any) -> Any:
    """The columns of the ledger by record, with their units and notes."""
    columns = {name.replace("/", "|"): (("record",), ledger[name]) for name in ledger.columns}
    found = xarray.Dataset(columns).set_coords([name for name in ("t", "step") if name in columns])
    for name in ledger.columns:
        attributes = {"units": UNITS.get(name, _ENERGY if name.startswith("term:") else "")}
        if name in ledger.notes:
            attributes["note"] = ledger.notes[name]
        found[name.replace("/", "|")].attrs = {key: value for key, value in attributes.items() if value}
    return found

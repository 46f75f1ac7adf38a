"""What a stored run is: F, the scheme and the other arguments of `solve`, by description; and the way back."""

from __future__ import annotations

import os
import platform
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from ..errors import CheckpointError, ConfigError, WgfWarning, shown
from ..functional.rules import description
from ..measure import NoiseSource
from ..storage import left_out, object_from, object_tree, read_with_head, unpack
from .arguments import Arguments, require_free_energy
from .observers import Observers, named_observers
from .store import FORMAT, RUN

PARTS = ("F", "solver", "domain", "noise", "until", "records")
"""What is stored by its settings, and built again where nothing of it belongs to the user."""
_NUMBERS = ("dt", "t_end", "trajectory_every", "max_steps")


def described(given: Arguments, noise: NoiseSource | None, alone: bool = True) -> dict[str, Any]:
    """Describe a run.

    Parameters
    ----------
    given : Arguments
        The checked arguments of `solve`.
    noise : NoiseSource or None
        The argument `noise`, as it was given.
    alone : bool, default True
        Whether F and the scheme are to be built from the description alone. False where they always come from
        elsewhere: their data need not be stored then.

    Returns
    -------
    tree
        For `RunStore.begin`.
    """
    parts = {
        "F": given.free_energy, "solver": given.solver, "domain": given.domain, "noise": noise, "until": given.until,
        "records": given.records,
    }  # fmt: skip
    objects = {
        name: {"is": description(part), "made": object_tree(part) if alone or name == "records" else None}
        for name, part in parts.items()
    }
    numbers = {"dt": given.plan.dt, "t_end": given.plan.t_end, "trajectory_every": given.trajectory_every}
    limits = {"first": given.plan.first, "max_steps": given.max_steps}
    return objects | numbers | limits | {"observers": tuple(given.observers), "versions": versions()}


def versions() -> dict[str, Any]:
    """What the bits of a run may depend on."""
    return {
        "wgf": _version("wgflow"),
        "torch": _version("torch"),
        "numpy": _version("numpy"),
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # a source tree that was never installed
        return "unknown"


def warn_of_other_versions(then: Mapping[str, Any], folder: str | os.PathLike[str]) -> None:
    """Say where a run was begun by other versions, which may give other bits."""
    now = versions()
    other = [f"{name} {then.get(name)} then, {now[name]} now" for name in now if then.get(name) != now[name]]
    if other:
        told = f"{folder} was begun elsewhere ({'; '.join(other)}): it goes on, perhaps not to the same bits."
        warnings.warn(told, WgfWarning, stacklevel=4)


@dataclass(frozen=True, eq=False)
class Description:
    """What a stored run is.

    Parameters
    ----------
    folder : Path
        Its directory.
    said : dict
        What `described` gave.
    """

    folder: Path
    said: dict[str, Any]

    @staticmethod
    def read(folder: str | os.PathLike[str], device: str | None = None) -> Description:
        """Read the description of the run in a directory.

        Parameters
        ----------
        folder : str or Path
            The directory.
        device : str, optional
            Where tensors go. By default each goes to the device on which it was.

        Returns
        -------
        Description
            The description.

        Raises
        ------
        CheckpointError
            If there is no run in the directory, or the description is damaged.
        """
        path = Path(folder) / RUN
        if not path.exists():
            by_command = (Path(folder) / "config.toml").exists()
            said = f"a run of `wgf run`; `wgf resume {folder}` goes on with it" if by_command else "no run to resume"
            raise CheckpointError(f"{folder} holds {said}.")
        tensors, text = read_with_head(path, FORMAT, old="")
        said = unpack(text, tensors, str(path), device)
        if not isinstance(said, dict) or not {*PARTS, *_NUMBERS} <= set(said):
            raise CheckpointError(f"{path} is no description of this version.")
        return Description(Path(folder), said)

    def part(self, name: str, given: Any) -> Any:
        """Give a part of the run: the one that was given now, or the stored one.

        Parameters
        ----------
        name : str
            One of `PARTS`.
        given : object
            What is given now; None to take what is stored.

        Returns
        -------
        object
            The part.

        Raises
        ------
        ConfigError
            If the given one is another one. The message says in what it differs. Or if none is given, and a file cannot
            hold the one of the run.
        """
        stored, made = self.said[name]["is"], self.said[name]["made"]
        if given is not None and name == "until":  # another end is no other run
            return given
        if given is not None:
            given = require_free_energy(given) if name == "F" else given
            other = list(differences(stored, description(given), name))
            if other:
                more = f", and {len(other) - 3} more differences" if len(other) > 3 else ""
                raise ConfigError(
                    f"{name} is not that of the run: {'; '.join(other[:3])}{more}. To go on with another one: "
                    f"wgf.solve(..., state=wgf.load({str(self.folder)!r}).state)."
                )
            return given
        if made is None:
            return None
        lost = left_out(made)
        if lost:
            raise ConfigError(
                f"{name} of the run in {self.folder} has {', '.join(lost[:3])}, which a file cannot hold; give it "
                f"again: wgf.resume(..., {name}=...)."
            )
        wgf = self.said["versions"].get("wgf")
        if name in ("F", "solver", "domain") and wgf != versions()["wgf"]:
            raise ConfigError(
                f"{self.folder} is of wgf {wgf}, whose terms and schemes may have other settings; give {name}= again."
            )
        return object_from(made)

    def given(self, parts: Mapping[str, Any], observers: Observers) -> dict[str, Any]:
        """Give all parts of the run: those that are given now, and the stored ones in place of None.

        Parameters
        ----------
        parts : mapping of str to object
            F, solver, domain, noise and until.
        observers : mapping or iterable
            The observers. They must be those of the run, since the ledger is one table.

        Returns
        -------
        dict
            The parts, the observers and the records.

        Raises
        ------
        ConfigError
            As `part`, or for other observers.
        """
        observers = observers if isinstance(observers, Mapping) else list(observers)
        named, names = named_observers(observers), tuple(self.said["observers"])
        if tuple(named) != names:
            raise ConfigError(
                f"observers are {shown(list(named))}; the run in {self.folder} has {shown(list(names))}, and a file "
                "cannot hold functions. Give the same ones, in the same order."
            )
        found = {name: self.part(name, parts.get(name)) for name in PARTS}
        return found | {"observers": observers}


def differences(stored: Any, given: Any, where: str) -> Iterator[str]:
    """Say in what two descriptions differ, each with its place: such as "F.Quadratic.stiffness is 2.0, not 1.0"."""
    if isinstance(stored, dict) and isinstance(given, dict):
        if stored.get("is") != given.get("is"):
            yield f"{where} is of the class {given.get('is')}, not {stored.get('is')}"
            return
        for name in dict.fromkeys((*stored, *given)):
            yield from differences(stored.get(name), given.get(name), _inside(where, name, stored))
    elif isinstance(stored, tuple) and isinstance(given, tuple):
        if len(stored) != len(given):
            yield f"{where} has {len(given)} entries, not {len(stored)}"
            return
        for index, (one, other) in enumerate(zip(stored, given, strict=True)):
            named = one.get("name") if isinstance(one, dict) and one.get("is") == "Term" else None
            yield from differences(
                one, other, f"{where.removesuffix('.terms')}.{named}" if named else f"{where}[{index}]"
            )
    elif stored != given or type(stored) is not type(given):
        yield f"{where} is {shown(given, 60)}, not {shown(stored, 60)}"


def _inside(where: str, name: str, stored: Mapping[str, Any]) -> str:
    """The place of a setting: the term itself stands for its functional."""
    return where if stored.get("is") == "Term" and name == "functional" else f"{where}.{name.lstrip('_')}"

"""The check that a term can be held by a drive: it acts by a force and does not follow the run itself."""

from __future__ import annotations

from typing import Any

from ..errors import ConfigError, shown
from ..functional import Control, DrivenFunctional, FreeEnergy, Functional


def require_plain(where: str, term: Any) -> Functional:
    """A term, or a sum of terms, that a drive can hold.

    Parameters
    ----------
    where : str
        The drive and argument, for the error message.
    term : Functional
        The term.

    Returns
    -------
    Functional
        The term, as it is.

    Raises
    ------
    ConfigError
        If it is no term, is realised by noise (Shannon), follows the run, or has a coefficient that does.
    """
    if not isinstance(term, Functional):
        raise ConfigError(f"{where}: {shown(term)}; wanted a term such as wgf.Quadratic().")
    if term.realised_by_noise:
        raise ConfigError(f"{where}: Shannon has no value on particles; wanted a term with one, such as LogDet.")
    if isinstance(term, DrivenFunctional):
        raise ConfigError(f"{where}: {shown(term)} follows the run by itself; wanted a term that does not.")
    if isinstance(term, FreeEnergy):
        for part in term.terms:
            if any(isinstance(factor, Control) for factor in part.coefficient.functions):
                raise ConfigError(f"{where}: the coefficient of {part.name} is a control; wanted numbers or schedules.")
            require_plain(where, part.functional)
    return term

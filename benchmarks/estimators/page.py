"""The page of `wgf bench estimators`: the verdict for each data set, and the table of scores and times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..frame.case import OURS
from ..frame.page import heading, seconds, table

Row = Mapping[str, Any]


def page(result: Mapping[str, Any]) -> str:
    """The whole page in Markdown, from the stored results."""
    measured: Sequence[Row] = [row for row in result["rows"] if "failed" not in row["bodies"][OURS]]
    failed = [f"- {row['name']}: {row['bodies'][OURS]['failed']}" for row in result["rows"] if row not in measured]
    parts = [heading(result, "Estimators compared with scikit-learn's network", "estimators"), _verdicts(measured)]
    parts += ["\n".join(failed), _table(measured), _method(result)]
    return "\n\n".join(part for part in parts if part) + "\n"


def within(row: Row) -> bool:
    """Whether our score is at most one standard error below that of the better of the peers."""
    best = max((body for name, body in row["bodies"].items() if name != OURS), key=lambda body: body["mean"])
    return bool(row["bodies"][OURS]["mean"] >= best["mean"] - best["error"])


def _verdicts(rows: Sequence[Row]) -> str:
    met = sum(within(row) for row in rows)
    text = f"**On {met} of {len(rows)} data sets our score is at most one standard error below the better peer's.**"
    missed = [f"- not on {row['name']}" for row in rows if not within(row)]
    return "\n".join([text, *([""] if missed else []), *missed])


def _table(rows: Sequence[Row]) -> str:
    cells = []
    for row in rows:
        title = f"{row['name']}: {row['score']}"
        for name, body in row["bodies"].items():
            change, error = body["ours_minus"]
            cells.append(
                (
                    title,
                    name,
                    f"**{body['mean']:.4f}** ± {body['error']:.4f}",
                    "" if name == OURS else f"{change:+.4f} ± {error:.4f}",
                    f"{seconds(body['seconds'])} ({' to '.join(seconds(q) for q in body['quartiles'])})",
                    body["warned"],
                )
            )
            title = ""
    head = ("data", "estimator", "score", "ours − its, fold by fold", "time of a fit (quartiles)", "warnings")
    return table(head, cells)


def _method(result: Mapping[str, Any]) -> str:
    first = result["rows"][0]
    folds = first.get("folds")
    return f"""## How it was measured

{folds} folds, shuffled {first.get("shuffles")} times, stratified for classes. The estimators take turns within each
fold, on the same rows, with the same seed. Every network has one hidden layer of {first.get("width")} neurons and the
defaults of its library. Inputs, and targets that are numbers, are scaled to mean 0 and standard deviation 1 by the
rows of the fit: by the estimator itself (ours), by a pipeline (scikit-learn's). The standard error is that of {folds}
folds, the scatter over all folds divided by √{folds}, since shuffles of the same data are not independent. Warnings are
counted over all fits. "Early stopping" holds out a tenth of the rows, as ours does; ours then runs again on all rows.
The defaults of wgf were chosen on these data sets (activation, temperature, weight decay, time, early stopping), and
those of scikit-learn were not: scores of wgf are a little optimistic here.
scikit-learn {result["peers"]["scikit-learn"]}."""

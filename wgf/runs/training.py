"""The job of a configuration with a network: its data, its risk, and the scores that are observed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, cast

import torch

from .. import data
from ..energies import NetworkRisk
from ..functional import FreeEnergyEvaluation
from ..measure import Ensemble
from .config import NetworkConfig
from .job import Job
from .sections import Data


@dataclass(frozen=True)
class Training(Job):
    """A network with its data loaded."""

    train: data.Dataset
    test: data.Dataset
    risk: NetworkRisk

    @staticmethod
    def of(config: NetworkConfig) -> Training:
        """Load the data and build the free energy, the first particles and the scheme."""
        train, test = load(config.data)
        config = config.resolved(train.task, len(train))
        dtype = torch.float64 if config.dtype == "float64" else torch.float32
        train, test = train.to(config.device, dtype), test.to(config.device, dtype)
        network = config.network
        risk = NetworkRisk(train.x, train.y, activation=network.activation, loss=str(network.loss), batch=network.batch)
        altered, others = config.drives(risk)
        network.require_room(risk.unit.dim, train.name)
        start = risk.initial(network.neurons, config.seed, dtype=dtype)
        parts = Job.parts(config, [altered, *config.terms()], others, start)
        return Training(**parts, train=train, test=test, risk=risk)

    def about(self) -> dict[str, Any]:
        return {
            "task": self.train.task,
            "data": {
                "name": self.train.name,
                "train": len(self.train),
                "test": len(self.test),
                "features": self.train.x.shape[1],
                "classes": len(self.train.classes),
            },
        }

    def observers(self) -> dict[str, Any]:
        """Accuracy or R², and mean loss, on training and test data."""
        kinds = ("accuracy", "loss") if self.risk.loss.classifies else ("r2", "loss")
        names = [f"{part}_{kind}" for kind in kinds for part in ("train", "test")]
        scores = _Scores(self)
        return {name: (lambda mu, t, evaluation, name=name: scores.of(mu, evaluation)[name]) for name in names}


class _Scores:
    """The scores of a network. Those of an ensemble are computed once, for all columns."""

    def __init__(self, job: Training) -> None:
        self.job = job
        self._seen: tuple[Ensemble | None, dict[str, float]] = None, {}

    def of(self, mu: Ensemble, evaluation: FreeEnergyEvaluation) -> dict[str, float]:
        """Accuracy or R², and mean loss. The training data were seen by the gradient; one pass sees the test data."""
        if self._seen[0] is not mu:
            job, loss, scores = self.job, self.job.risk.loss, {}
            own = (part.outputs for part in evaluation.terms if part.term.functional is job.risk)
            trained = next(own, None)
            if trained is None:  # the scheme integrates another form of the risk
                trained = job.risk.predict(mu, job.train.x).reshape(len(job.train), -1)
            tested = job.risk.predict(mu, job.test.x).reshape(len(job.test), -1)
            for name, f, part in (("train", trained, job.train), ("test", tested, job.test)):
                y, _ = loss.encode(part.y)
                scores[f"{name}_loss"] = float(loss.value(f, y).mean())
                if loss.classifies:
                    scores[f"{name}_accuracy"] = float(loss.correct(f, y).double().mean())
                else:
                    spread = float(((y - y.mean(0)) ** 2).mean())
                    scores[f"{name}_r2"] = 1.0 - float(((f - y) ** 2).mean()) / spread if spread else math.nan
            self._seen = mu, scores
        return self._seen[1]


def load(source: Data) -> tuple[data.Dataset, data.Dataset]:
    """The data set of a table [data]: its training part and its test part."""
    return data.load(
        source.source,
        target=source.target,
        header=source.header,
        task=cast("data.Task | None", source.task),
        test_fraction=source.test_fraction,
        seed=source.seed,
        standardise=source.standardise,
        separator=source.separator,
        decimal=source.decimal,
    )

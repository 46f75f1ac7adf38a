"""A two-layer network as a torch module of plain layers, and its neurons as particles again."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..errors import ConfigError, ShapeError, shown
from ..measure import Ensemble, require_ensemble
from ..ops import activations
from .two_layer import TwoLayer
from .units import NetworkUnit

CHECKED = 64
"""On so many inputs of the risk the outputs of a module are compared with those of its particles."""
AGREEMENT = {torch.float64: 1e-9, torch.float32: 1e-3}
"""The largest difference there, relative to the largest output."""


class NeuronWeights(nn.Module):
    """A layer that multiplies each neuron by its weight wᵢ in the ensemble. It remembers weights and ids exactly."""

    def __init__(self, weights: Tensor, ids: Tensor) -> None:
        super().__init__()
        self.register_buffer("weights", weights.clone())
        self.register_buffer("ids", ids.clone())

    def forward(self, h: Tensor) -> Tensor:
        """Give wᵢ hᵢ."""
        return h * _in(h, self.get_buffer("weights"))

    def extra_repr(self) -> str:
        return f"{len(self.get_buffer('weights'))}"


class OutputBias(nn.Module):
    """A layer that adds the output bias Σ wᵢ cᵢ of neurons that carry one."""

    def __init__(self, c: Tensor, weights: Tensor) -> None:
        super().__init__()
        self.c = nn.Parameter(c.clone())
        self.register_buffer("weights", weights.clone())

    def forward(self, f: Tensor) -> Tensor:
        """Give f + Σ wᵢ cᵢ."""
        return f + _in(f, self.get_buffer("weights")) @ self.c

    def extra_repr(self) -> str:
        return f"{self.c.shape[0]}, {self.c.shape[1]}"


def _in(h: Tensor, weights: Tensor) -> Tensor:
    """Weights in the dtype of h. An exported program has no operation for it where the dtypes are the same."""
    return weights if weights.dtype == h.dtype else weights.to(h.dtype)


class Erf(nn.Module):
    """The error function as a layer, which torch has only as a function."""

    def forward(self, s: Tensor) -> Tensor:
        """Give erf(s)."""
        return torch.erf(s)


def _layer(activation: str) -> nn.Module:
    """An activation as a layer. Softplus is exact to rounding up to 40, and linear beyond."""
    layers: dict[str, Callable[[], nn.Module]] = {
        "tanh": nn.Tanh,
        "relu": nn.ReLU,
        "sigmoid": nn.Sigmoid,
        "softplus": lambda: nn.Softplus(threshold=40.0),
        "erf": Erf,
        "identity": nn.Identity,
    }
    return layers[activation]()


class AsModule:
    """The part of `NetworkRisk` that exchanges its network with torch modules."""

    unit: NetworkUnit
    inputs: Tensor

    def to_module(self, mu: Ensemble) -> nn.Sequential:
        """Make a torch module of the network f_μ, to train it further or to export it.

            z ↦ Σᵢ wᵢ aᵢ σ(w·zᵢ + bᵢ)   as   Linear(D, n), σ, NeuronWeights(n), Linear(n, K)

        Parameters
        ----------
        mu : Ensemble
            The neurons (n, d).

        Returns
        -------
        torch.nn.Sequential
            Of the dtype and device of μ. It maps (M, D) to (M, K) as `predict` does, to rounding. Its parameters are
            copies.

        Raises
        ------
        ConfigError
            If the unit is one of the user's own.
        ShapeError
            If particles have another dimension than the unit.

        Notes
        -----
        An output bias (`NetworkRisk(bias=True)`) is a last layer. `torch.onnx.export` takes all of these layers. A step
        of gradient descent with learning rate η on all data is an Euler step of the flow of length h = η/n.

        Examples
        --------
        >>> import torch, wgf
        >>> risk = wgf.NetworkRisk([[0.0], [1.0]], [1.0, 3.0])
        >>> mu = risk.initial(5)
        >>> z = torch.tensor([[0.5]], dtype=torch.float64)
        >>> bool((risk.to_module(mu)(z)[:, 0] - risk.predict(mu, z)).abs() < 1e-12)
        True
        >>> torch.equal(risk.from_module(risk.to_module(mu)).x, mu.x)
        True
        """
        unit = self._built_in("to_module")
        inner, c = unit.parts(require_ensemble("mu", mu).x)
        a, w, b = inner[:, : unit.width], inner[:, unit.width : -1], inner[:, -1]
        hidden = nn.Linear(unit.inputs, mu.n, dtype=mu.dtype, device=mu.device)
        output = nn.Linear(mu.n, unit.width, bias=False, dtype=mu.dtype, device=mu.device)
        with torch.no_grad():
            hidden.weight.copy_(w)
            hidden.bias.copy_(b)
            output.weight.copy_(a.T)
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            hidden=hidden, activation=_layer(unit.activation), weights=NeuronWeights(mu.weights, mu.ids), output=output
        )
        if unit.bias:
            layers["bias"] = OutputBias(c, mu.weights)
        return nn.Sequential(layers)

    def from_module(self, module: nn.Module, *, bias_as_neuron: bool = False) -> Ensemble:
        """Read the neurons of a two-layer torch module as particles, to start a flow from it.

        Parameters
        ----------
        module : torch.nn.Module
            What `to_module` made, with the same bits; or any module with two `nn.Linear` layers and the activation of
            this risk between them. Its n hidden units become particles of weight 1/n, with a = n times the output
            weights.
        bias_as_neuron : bool, default False
            Whether a bias of the output layer becomes a neuron of its own, with w = 0, where the unit has none. This
            neuron moves as the others do.

        Returns
        -------
        Ensemble
            n particles, or n + 1, of the dtype and device of the module.

        Raises
        ------
        ConfigError
            If the module is no such network, has an output bias for which there is no place, or gives other outputs
            than the particles on inputs of this risk (another activation, a layer between).
        ShapeError
            If the numbers of inputs or outputs differ.

        Examples
        --------
        >>> import torch, wgf
        >>> net = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
        >>> risk = wgf.NetworkRisk(torch.zeros(3, 2), torch.zeros(3), bias=True)
        >>> risk.from_module(net)
        Ensemble(n=8, dim=5, float32, cpu)
        """
        unit = self._built_in("from_module")
        hidden, output = _linear_layers(module, unit)
        kept = next((layer for layer in module.modules() if isinstance(layer, NeuronWeights)), None)
        own = next((layer for layer in module.modules() if isinstance(layer, OutputBias)), None)
        n, dtype, device = hidden.out_features, hidden.weight.dtype, hidden.weight.device
        weights, ids = (None, None) if kept is None else (kept.get_buffer("weights"), kept.get_buffer("ids"))
        a = output.weight.detach().T if kept is not None else n * output.weight.detach().T
        b = torch.zeros(n, dtype=dtype, device=device) if hidden.bias is None else hidden.bias.detach()
        columns = [a, hidden.weight.detach(), b[:, None]]
        bias = None if output.bias is None or not bool(output.bias.any()) else output.bias.detach()
        if unit.bias:
            c = torch.zeros(n, unit.width, dtype=dtype, device=device) if own is None else own.c.detach()
            columns.append(c if bias is None else c + bias)
        theta = torch.cat(columns, dim=1)
        if not unit.bias and (bias is not None or own is not None):
            if bias is None or kept is not None or not bias_as_neuron:
                raise ConfigError(
                    "from_module: the output layer has a bias, and the unit has none. Build the risk by "
                    "NetworkRisk(..., bias=True), or make it a neuron by from_module(module, bias_as_neuron=True)."
                )
            theta = _with_neuron(theta, bias, unit)
        if not unit.bias and own is not None:
            raise ConfigError(
                "from_module: the module has an OutputBias; build the risk with NetworkRisk(..., bias=True)."
            )
        mu = Ensemble(theta.contiguous(), weights, ids=ids)
        self._require_same(module, mu, unit)
        return mu

    def _built_in(self, who: str) -> TwoLayer:
        if not isinstance(self.unit, TwoLayer):
            raise ConfigError(
                f"{who}: {self.unit!r} is a unit of your own, which has no layers; wanted the built-in unit."
            )
        return self.unit

    def _require_same(self, module: nn.Module, mu: Ensemble, unit: TwoLayer) -> None:
        """Raise a ConfigError where module and particles differ on inputs of the risk."""
        z = self.inputs[:CHECKED].to(mu.device, mu.dtype)
        try:
            with torch.no_grad():
                theirs = copy.deepcopy(module).eval()(z)
        except RuntimeError as error:
            raise ConfigError(
                f"from_module: the module fails on inputs {tuple(z.shape)} of the risk: {error}"
            ) from error
        ours = unit.forward(mu.x, mu.weights, z)
        same = isinstance(theirs, Tensor) and theirs.shape in (ours.shape, ours.shape[:1])
        if same:
            gap = float((theirs.double().reshape(ours.shape) - ours).abs().max())
            same = gap <= AGREEMENT[mu.dtype] * max(1.0, float(ours.abs().max()))
        if not same:
            raise ConfigError(
                f"from_module: the outputs of the module are not those of Linear, {unit.activation}, Linear on the "
                f"inputs of the risk. Build the risk with the activation of the module, and take out other layers."
            )


def _linear_layers(module: nn.Module, unit: TwoLayer) -> tuple[nn.Linear, nn.Linear]:
    """The two linear layers of a module, checked against the unit."""
    if not isinstance(module, nn.Module):
        raise ConfigError(f"module = {shown(module)}: wanted a torch.nn.Module with two Linear layers.")
    linear = [layer for layer in module.modules() if isinstance(layer, nn.Linear)]
    if len(linear) != 2:
        raise ConfigError(f"from_module: {len(linear)} Linear layers; wanted two, with an activation between them.")
    hidden, output = linear
    found = (hidden.in_features, hidden.out_features, output.in_features, output.out_features)
    if found != (unit.inputs, hidden.out_features, hidden.out_features, unit.width):
        raise ShapeError(
            f"from_module: Linear({found[0]}, {found[1]}) and Linear({found[2]}, {found[3]}); wanted "
            f"Linear({unit.inputs}, n) and Linear(n, {unit.width}), by the inputs and outputs of the risk."
        )
    if hidden.weight.dtype not in AGREEMENT or output.weight.dtype != hidden.weight.dtype:
        raise ConfigError(f"from_module: weights of {hidden.weight.dtype}; wanted float64 or float32: module.float().")
    return hidden, output


def _with_neuron(theta: Tensor, bias: Tensor, unit: TwoLayer) -> Tensor:
    """n + 1 neurons: those of n, and one with w = 0 whose output is the bias."""
    n, at = len(theta), 0.0 if unit.activation in ("sigmoid", "softplus") else 1.0
    height, _ = activations.evaluate(activations.NAMES[unit.activation], torch.tensor(at, dtype=torch.float64))
    row = torch.zeros_like(theta[:1])
    row[0, : unit.width] = bias / float(height) * (n + 1)
    row[0, -1] = at
    scaled = theta.clone()
    scaled[:, : unit.width] *= (n + 1) / n  # weights are 1/(n + 1) now
    return torch.cat([scaled, row])

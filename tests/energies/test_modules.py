"""Networks as torch modules and back: outputs, bits, the output bias, training by both, and what is refused."""

from __future__ import annotations

import copy

import naive
import numpy as np
import pytest
import torch
from torch import nn

import wgf
from wgf.energies import TwoLayer
from wgf.errors import ConfigError, ShapeError

Z = torch.from_numpy(np.random.default_rng(0).normal(size=(40, 3)))
Y = torch.stack([Z[:, 0] * Z[:, 1], torch.sin(Z[:, 2])], dim=1)


def risk(activation: str = "tanh", bias: bool = False, **more) -> wgf.NetworkRisk:
    return wgf.NetworkRisk(Z, more.pop("targets", Y), activation=activation, bias=bias, **more)


def weighted(r: wgf.NetworkRisk, dtype=torch.float64) -> wgf.Ensemble:
    """Neurons with weights and ids of their own."""
    rng = np.random.default_rng(1)
    x, weights = r.initial(30, seed=2).x, rng.uniform(0.1, 1.0, 30)
    return wgf.Ensemble(x.to(dtype), weights / weights.sum(), ids=torch.from_numpy(rng.permutation(30) + 7))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("activation", naive.ACTIVATIONS)
def test_a_module_has_the_outputs_of_the_risk(activation, bias):
    r = risk(activation, bias)
    for mu in (weighted(r), r.initial(50)):
        f = r.predict(mu, Z)
        gap = (r.to_module(mu)(Z) - f).detach().abs().max()
        assert float(gap) < 1e-12 * max(1.0, float(f.abs().max()))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("bias", [False, True])
def test_back_again_with_the_same_bits(bias, dtype):
    r = risk("softplus", bias)
    mu = weighted(r, dtype)
    back = r.from_module(r.to_module(mu))
    assert torch.equal(back.x, mu.x)
    assert torch.equal(back.weights, mu.weights)
    assert torch.equal(back.ids, mu.ids)
    stored = r.to_module(r.initial(30, dtype=dtype))
    stored.load_state_dict(r.to_module(mu).state_dict())  # weights and ids travel with a state_dict
    assert torch.equal(r.from_module(stored).x, mu.x)
    assert torch.equal(r.from_module(stored).weights, mu.weights)


def test_a_step_of_gradient_descent_is_a_step_of_the_flow():
    r = risk("tanh", bias=True)
    mu = r.initial(20, seed=3)
    sol = wgf.solve(r, mu, wgf.solvers.Euler(), dt=0.1, t_end=1.0)
    module = r.to_module(mu)
    descent = torch.optim.SGD(module.parameters(), lr=0.1 * mu.n)
    for _ in range(10):
        descent.zero_grad()
        (0.5 * (module(Z) - Y).square().sum(1).mean()).backward()
        descent.step()
    assert torch.allclose(r.from_module(module).x, sol.ensemble.x, atol=1e-13)


class Own(nn.Module):
    """A network as people write it, with the activation as a function."""

    def __init__(self, width: int = 8, bias: bool = True) -> None:
        super().__init__()
        self.first, self.drop, self.second = nn.Linear(3, width), nn.Dropout(0.5), nn.Linear(width, 2, bias=bias)

    def forward(self, z):
        return self.second(self.drop(torch.tanh(self.first(z))))


@pytest.mark.parametrize("double", [True, False])
def test_the_weights_of_a_network_that_exists(double):
    module = Own().double() if double else Own()
    with torch.no_grad():
        f = copy.deepcopy(module).eval()(Z.to(module.first.weight.dtype))
    tolerance = 1e-13 if double else 1e-6
    r = risk(bias=True)
    mu = r.from_module(module)
    assert mu.n == 8
    assert float((r.predict(mu, Z) - f).abs().max()) < tolerance
    assert module.training  # it is left as it was
    for activation in naive.ACTIVATIONS:
        plain = nn.Sequential(nn.Linear(3, 8), LAYERS[activation](), nn.Linear(8, 2)).to(module.first.weight.dtype)
        one = risk(activation)
        more = one.from_module(plain, bias_as_neuron=True)
        assert more.n == 9
        with torch.no_grad():
            assert float((one.predict(more, Z) - plain(Z.to(more.dtype))).abs().max()) < 10 * tolerance
    without = nn.Sequential(nn.Linear(3, 8, bias=False), nn.Tanh(), nn.Linear(8, 2, bias=False))
    assert float(risk().from_module(without).x[:, -1].abs().max()) == 0.0


class Erf(nn.Module):
    def forward(self, s):
        return torch.erf(s)


LAYERS = {
    "tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid, "softplus": nn.Softplus, "erf": Erf,
    "identity": nn.Identity,
}  # fmt: skip


def test_a_unit_with_a_bias_is_the_unit_with_an_output_bias():
    """Value, first variation and gradient: those of the plain unit, and in c the plain sums of the residuals."""
    plain, r = risk(targets=Y + 3.0), risk(bias=True, targets=Y + 3.0)
    mu = weighted(r)
    c = mu.x[:, -2:]
    bare = wgf.Ensemble(mu.x[:, :-2], mu.weights)
    shift = mu.weights @ c
    moved = wgf.NetworkRisk(Z, Y + 3.0 - shift)  # the same residuals
    assert torch.allclose(r.predict(mu, Z), plain.predict(bare, Z) + shift, atol=1e-14)
    assert float(r.value(mu)) == pytest.approx(float(moved.value(bare)), rel=1e-13)
    residual = (plain.predict(bare, Z) + shift - Y - 3.0).mean(0)
    gradient = torch.cat([moved.gradient(bare), residual.expand(30, 2)], dim=1)
    assert torch.allclose(r.gradient(mu), gradient, atol=1e-14)
    assert torch.allclose(r.first_variation(mu), moved.first_variation(bare) + c @ residual, atol=1e-14)
    at = mu.x[:5] + 0.1
    assert torch.allclose(r.gradient(mu, at)[:, -2:], residual.expand(5, 2), atol=1e-14)
    h = 1e-6
    change = torch.zeros_like(mu.x)
    change[4, -1] = h
    slope = (float(r.value(mu.moved(mu.x + change))) - float(r.value(mu.moved(mu.x - change)))) / (2 * h)
    assert slope == pytest.approx(float(mu.weights[4] * r.gradient(mu)[4, -1]), rel=1e-6)


def test_a_bias_learns_an_offset_and_starts_as_other_weights_do():
    r = wgf.NetworkRisk(Z, Z[:, 0] + 5.0, bias=True)
    mu = r.initial(64, seed=0)
    assert torch.equal(mu.x[:, :-1], wgf.NetworkRisk(Z, Z[:, 0]).initial(64, seed=0).x)
    assert abs(float(mu.x[:, -1].std()) - 1.0) < 0.5
    sol = wgf.solve(r, mu, wgf.solvers.BogackiShampine(), dt=0.1, t_end=20.0)
    assert float(r.value(sol.ensemble)) < 0.05 * float(r.value(mu))
    assert repr(r.unit) == "TwoLayer(inputs=3, width=1, activation='tanh', bias=True)"
    assert repr(TwoLayer(3, 1)) == "TwoLayer(inputs=3, width=1, activation='tanh')"


def test_an_exported_program_has_plain_operations():
    r = risk("softplus", bias=True)
    module = r.to_module(weighted(r))
    batch = torch.export.Dim("batch")
    program = torch.export.export(module, (Z,), dynamic_shapes=({0: batch},))
    plain = ("linear.default", "softplus.default", "mul.Tensor", "matmul.default", "add.Tensor")
    used = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
    assert used == {f"aten.{name}" for name in plain}
    assert torch.equal(program.module()(Z[:5]), module(Z[:5]))


class Every(nn.Module):
    """The modules of all activations side by side: one export, which takes seconds, serves for all."""

    def __init__(self):
        super().__init__()
        risks = [risk(activation, bias=True) for activation in naive.ACTIVATIONS]
        self.each = nn.ModuleList(r.to_module(r.initial(20, dtype=torch.float32)) for r in risks)

    def forward(self, z):
        return tuple(module(z) for module in self.each)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_onnx_gives_the_same_numbers(tmp_path):
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    every = Every().eval()
    torch.onnx.export(every, (Z.float(),), str(tmp_path / "net.onnx"), dynamo=True, input_names=["z"], verbose=False)
    session = runtime.InferenceSession(str(tmp_path / "net.onnx"))
    found = session.run(None, {"z": Z.float().numpy()})
    for activation, f, expected in zip(naive.ACTIVATIONS, found, every(Z.float()), strict=True):
        assert np.abs(f - expected.detach().numpy()).max() < 1e-5, activation


@pytest.mark.parametrize(
    ("module", "error", "said"),
    [
        ("net", ConfigError, "wanted a torch.nn.Module with two Linear layers"),
        (nn.Linear(3, 2), ConfigError, "1 Linear layers; wanted two"),
        (nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 2)), ConfigError, "3 Linear"),
        (nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 2)), ShapeError, r"wanted Linear\(3, n\)"),
        (nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)), ShapeError, r"Linear\(n, 2\)"),
        (nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).half(), ConfigError, "float16; wanted float64"),
        (nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2, bias=False)), ConfigError, "not those of Linear"),
        (nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)), ConfigError, "the output layer has a bias"),
        (nn.Sequential(nn.LayerNorm(3), nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2, False)), ConfigError, "outputs"),
        (nn.Sequential(nn.Linear(3, 4), nn.Flatten(0), nn.Linear(4, 2, bias=False)), ConfigError, "the module fails"),
    ],
)  # fmt: skip
def test_modules_that_are_no_such_network(module, error, said):
    torch.manual_seed(0)
    with pytest.raises(error, match=said):
        risk().from_module(module)


def test_what_else_is_refused():
    own = wgf.NetworkRisk(Z, Y[:, 0], unit=wgf.Unit(lambda z, theta: theta @ z, dim=3))
    with pytest.raises(ConfigError, match="a unit of your own, which has no layers"):
        own.to_module(own.initial(5))
    with pytest.raises(ConfigError, match="a unit of your own"):
        own.from_module(Own())
    with pytest.raises(ConfigError, match="bias = True is for the built-in unit"):
        wgf.NetworkRisk(Z, Y[:, 0], unit=lambda z, theta: theta @ z, bias=True)
    with pytest.raises(ConfigError, match=r"mu is int: wanted a wgf\.Ensemble"):
        risk().to_module(3)
    with pytest.raises(ConfigError, match="bias = 1: wanted True or False"):
        wgf.NetworkRisk(Z, Y, bias=1)
    with pytest.raises(ShapeError, match=r"wanted 8 = .* \+ 1 bias \+ 2 output biases"):
        risk(bias=True).to_module(risk().initial(5))
    with pytest.raises(ConfigError, match=r"NetworkRisk\(\.\.\., bias=True\)"):
        risk().from_module(risk(bias=True).to_module(risk(bias=True).initial(5)), bias_as_neuron=True)

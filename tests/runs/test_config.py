"""Configuration: what a file may say, what is refused and in which words, and that it is written back unchanged."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wgf
from wgf import runs, solvers
from wgf.errors import BackendError, ConfigError
from wgf.runs import DEFAULT, dump, toml
from wgf.runs.config import NetworkConfig
from wgf.runs.terms import models

load_config: Any = runs.load_config  # the tests know which kind of configuration a text is
MINIMAL = '[data]\nsource = "digits"\n[solver]\ndt = 0.1\nt_end = 1.0\n'


def file(tmp_path, text):
    path = tmp_path / "my.toml"
    path.write_text(text, encoding="utf-8")
    return path


# ------------------------------------------------------------------------------------------ what is read


def test_the_default_is_the_example_of_the_documentation():
    config = load_config()
    assert (config.data.source, config.network.neurons, config.network.activation) == ("digits", 4096, "tanh")
    assert config.network.loss == "cross_entropy"
    assert [(t.term, t.coefficient) for t in config.energy] == [("Quadratic", 1e-3)]
    assert [(t.term, t.temperature) for t in config.entropy] == [("LogDet", 1e-2)]
    assert (config.solver.name, config.solver.dt, config.solver.t_end) == ("BogackiShampine", 0.5, 200.0)


def test_a_minimal_file_has_defaults_and_no_terms(tmp_path):
    config = load_config(file(tmp_path, MINIMAL))
    assert (config.seed, config.dtype, config.device, config.terms()) == (0, "float64", "cpu", [])
    assert config.solver.scheme() == wgf.solvers.Heun()


def test_terms_are_built_as_they_stand(tmp_path):
    text = MINIMAL + (
        '[[energy]]\nterm = "Quadratic"\ncoefficient = 3\nstiffness = [1, 2.5]\n'
        '[[energy]]\nterm = "Interaction"\nkernel = { name = "Matern", nu = 1.5, h = 2.0 }\n'
        '[[entropy]]\nterm = "Softmax"\ntemperature = 0.5\ntau = 2.0\naxis = "particles"\n'
    )
    F: Any = sum(load_config(file(tmp_path, text)).terms()[1:], start=load_config(file(tmp_path, text)).terms()[0])
    assert repr(F) == "3 * Quadratic + Interaction - 0.5 * Softmax"
    assert F["Interaction"].kernel == wgf.kernels.Matern(1.5, 2.0)
    assert (F["Softmax"].temperature, F["Softmax"].axis) == (2.0, "particles")


def test_a_scheme_takes_its_own_settings_by_name(tmp_path):
    text = MINIMAL + 'name = "BogackiShampine"\nrtol = 1e-5\nadaptive = false\n'
    assert load_config(file(tmp_path, text)).solver.scheme() == wgf.solvers.BogackiShampine(rtol=1e-5, adaptive=False)
    for wrong, message in [
        ('rtol = "1"\nname = "BogackiShampine"', "rtol = '1': wanted a number ≥ 0"),
        ('rtol = 1e-5\nname = "Heun"', "solver.rtol = 1e-05 is no setting of Heun"),
    ]:
        with pytest.raises(ConfigError, match=message):
            load_config(file(tmp_path, MINIMAL + wrong + "\n"))


def test_a_domain_is_built_by_its_kind(tmp_path):
    assert load_config(file(tmp_path, MINIMAL)).place() is None
    text = MINIMAL + '[domain]\nkind = "Box"\nlow = [-1, 0]\nhigh = 2.5\n'
    config = load_config(file(tmp_path, text))
    assert repr(config.place()) == "Box(low=[-1.0, 0.0], high=2.5)"
    assert load_config(file(tmp_path, dump(config))) == config
    for wrong, message in [
        ('kind = "Bal"\nradius = 1.0', "domain.kind = 'Bal'; did you mean 'Ball'?"),
        ('kind = "Ball"\nradius = -1.0', "radius = -1.0: wanted a positive number"),
        ('kind = "Box"\nlow = 0', "domain.high is missing"),
        ('kind = "Ball"\nradius = 1.0\ncentre = 0', "domain.centre = 0; did you mean 'center'?"),
    ]:
        with pytest.raises(ConfigError) as caught:
            load_config(file(tmp_path, MINIMAL + "[domain]\n" + wrong + "\n"))
        assert message in str(caught.value)


KERNELS, ENTROPIES = models("kernel"), models("entropy")


@pytest.mark.parametrize("name", KERNELS)
def test_every_kernel_can_be_named(name):
    values = {"h": 1.0, "nu": 0.5, "s": 1.0, "d": 3, "Cr": 1.0, "lr": 1.0, "Ca": 1.0, "la": 2.0}
    required = [key for key, entry in KERNELS[name].model_fields.items() if entry.is_required() and key != "name"]
    kernel = ", ".join(f"{key} = {values[key]}" for key in required)
    text = f'{{ name = "{name}"{", " if kernel else ""}{kernel} }}'
    config = load_config(None, [f'energy.0={{ term = "Interaction", kernel = {text} }}'])
    assert isinstance(config.energy[0].kernel.build(), wgf.kernels.Kernel)


@pytest.mark.parametrize("name", ENTROPIES)
def test_every_entropy_can_be_named(name):
    values = {"bandwidth": '"silverman"', "m": 2.0, "epsilon": 0.5, "target": 1.0, "t": 2.0}
    required = [key for key, entry in ENTROPIES[name].model_fields.items() if entry.is_required()]
    extra = "".join(f", {key} = {values[key]}" for key in required if key in values)
    config = load_config(None, [f'entropy.0={{ term = "{name}", temperature = 0.1{extra} }}'])
    entropy: Any = config.terms()[1]
    (term,) = entropy.terms
    assert (term.name, term.coefficient.number) == (name, -0.1)


def test_the_largest_seed_and_a_temperature_of_zero_are_fine():
    config = load_config(None, [f"seed={2**64 - 1}", "entropy.0.temperature=0"])
    assert config.seed == 2**64 - 1


def test_a_path_in_a_file_is_relative_to_the_file_and_one_given_by_set_to_here(tmp_path):
    path = file(tmp_path, MINIMAL.replace("digits", "table.csv"))
    assert load_config(path).data.source == str(tmp_path / "table.csv")
    assert load_config(path).data.name == "table"
    assert load_config(path, ["data.source=other.csv"]).data.source == str(Path("other.csv").absolute())


# ------------------------------------------------------------------------------------------ overrides


@pytest.mark.parametrize(
    ("assignment", "value"),
    [
        ("solver.dt=0.05", 0.05),
        ("solver.dt = 1", 1.0),
        ("solver.dt=.5", 0.5),
        ("solver.dt=2.", 2.0),
        ("solver.name=Euler", "Euler"),
        ('solver.name="Euler"', "Euler"),
        ("network.batch=32", 32),
        ("energy.0.coefficient=1e-2", 0.01),
        ("data.standardise=false", False),
        ("data.source=breast-cancer", "breast-cancer"),
    ],
)
def test_an_override_is_a_toml_value_or_a_bare_word(assignment, value):
    node: Any = load_config(None, [assignment]).model_dump()
    for part in assignment.partition("=")[0].strip().split("."):
        node = node[int(part)] if part.isdecimal() else node[part]
    assert node == value
    assert type(node) is type(value)


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("solver.dt", "wanted KEY=VALUE"),
        ("=1", "wanted KEY=VALUE"),
        ("a..b=1", "wanted KEY=VALUE"),
        ("solver.dt=", "not valid TOML"),
        ("solver.dt=1\nseed = 3", "wanted one value"),
        ("energy.1.coefficient=1", "energy has 1 item"),
        ("energy.x.coefficient=1", "energy has 1 item"),
        ("solver.dt.x=1", "has no key 'x'"),
        ("solvr.dt=1", "did you mean 'solver'"),
    ],
)
def test_a_bad_override_says_so(assignment, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        load_config(None, [assignment])


# ------------------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("dt = 0.1", "dtt = 0.1", "unknown key solver.dtt = 0.1; did you mean 'dt'?"),
        ("dt = 0.1", "dt = 0", "solver.dt = 0: wanted a number > 0"),
        ("dt = 0.1", "dt = -1.0", "solver.dt = -1.0: wanted a number > 0"),
        ("dt = 0.1", "dt = nan", "solver.dt = nan: wanted a finite number"),
        ("dt = 0.1", "dt = inf", "solver.dt = inf: wanted a finite number"),
        ("dt = 0.1", 'dt = "0.1"', "solver.dt = '0.1': wanted a number without quotes"),
        ("dt = 0.1", "dt = true", "solver.dt = true: wanted a number"),
        ("dt = 0.1", "", "solver.dt is missing; wanted the length of a step"),
        ("t_end = 1.0", "t_end = -1", "solver.t_end = -1: wanted a number ≥ 0"),
        ("dt = 0.1", 'dt = 0.1\nname = "Huen"', "solver.name = 'Huen'; did you mean 'Heun'?"),
        ("dt = 0.1", "dt = 0.1\nrecord_every = 0", "solver.record_every = 0: wanted an integer ≥ 1"),
        ("dt = 0.1", "dt = 0.1\nwobble = 1.0", "unknown key solver.wobble = 1.0"),
        ("[data]", "seed = -1\n[data]", "seed = -1: wanted an integer from 0 to 2^64 - 1"),
        ("[data]", f"seed = {2**64}\n[data]", "wanted an integer from 0 to 2^64 - 1"),
        ("[data]", "seed = true\n[data]", "seed = true: wanted an integer from 0 to 2^64 - 1"),
        ("[data]", "seed = 1.0\n[data]", "seed = 1.0: wanted an integer"),
        ("[data]", "sed = 1\n[data]", "unknown key sed = 1; did you mean 'seed'?"),
        ("[data]", 'dtype = "float16"\n[data]', "dtype = 'float16'; did you mean 'float64'?"),
        ("[data]", 'device = "gpu"\n[data]', "device = 'gpu'"),
        ("[data]", "[dta]", "unknown key dta"),
        ('[data]\nsource = "digits"', "data = 1", "data = 1: wanted a table"),
        ('source = "digits"', "source = 3", "data.source = 3: wanted a string"),
        ('source = "digits"', 'source = "digits"\ntarget = true', "data.target = true: wanted the name of a column"),
        ('source = "digits"', 'source = "digits"\ntask = "regresion"', "did you mean 'regression'?"),
        (
            'source = "digits"',
            'source = "digits"\ntest_fraction = 1.0',
            "data.test_fraction = 1.0: wanted a number < 1",
        ),
        ('source = "digits"', 'source = "digits"\nstandardise = 1', "data.standardise = 1: wanted true or false"),
        ("[solver]", "[network]\nneurons = 0\n[solver]", "network.neurons = 0: wanted an integer ≥ 1"),
        ("[solver]", "[network]\nneurons = true\n[solver]", "network.neurons = true: wanted an integer"),
        ("[solver]", "[network]\nneurons = 64.0\n[solver]", "network.neurons = 64.0: wanted an integer"),
        ("[solver]", '[network]\nactivation = "tan"\n[solver]', "network.activation = 'tan'; did you mean 'tanh'?"),
        ("[solver]", '[network]\nloss = "square"\n[solver]', "network.loss = 'square'; did you mean 'squared'?"),
        ("[solver]", '[output]\ndirectory = ""\n[solver]', "output.directory = '': wanted a name that is not empty"),
    ],
)
def test_a_bad_value_is_named_with_what_was_wanted(old, new, message, tmp_path):
    path = file(tmp_path, MINIMAL.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(path))
    if "wanted" in message and "missing" not in message:
        assert str(caught.value).count("\n") == 0, "one mistake is one line"


@pytest.mark.parametrize(
    ("term", "message"),
    [
        ('[[energy]]\nterm = "Quadrati"', "energy.0.term = 'Quadrati'; did you mean 'Quadratic'?"),
        ("[[energy]]\ncoefficient = 1.0", "the key 'term' is missing"),
        ("[energy]\ncoefficient = 1.0", "wanted one or more tables [[energy]]"),
        ('[[energy]]\nterm = "Quadratic"\nstifness = 1', "energy.0.stifness = 1; did you mean 'stiffness'?"),
        ('[[energy]]\nterm = "Quadratic"\ncoefficient = "1"', "energy.0.coefficient = '1': wanted a number"),
        ('[[energy]]\nterm = "Quadratic"\nstiffness = [1, true]', "energy.0.stiffness"),
        ('[[energy]]\nterm = "Quadratic"\nstiffness = [[1, 0], [2, 1]]', "symmetric"),
        ('[[energy]]\nterm = "Interaction"', "energy.0.kernel is missing"),
        ('[[energy]]\nterm = "Interaction"\nkernel = "Gaussian"', 'a table such as { name = "Gaussian", h = 1.0 }'),
        ('[[energy]]\nterm = "Interaction"\nkernel = { name = "Gausian", h = 1.0 }', "did you mean 'Gaussian'?"),
        ('[[energy]]\nterm = "Interaction"\nkernel = { name = "Gaussian" }', "energy.0.kernel.h is missing"),
        ('[[energy]]\nterm = "Interaction"\nkernel = { name = "Gaussian", h = -1.0 }', "energy.0: h = -1.0"),
        ('[[energy]]\nterm = "Interaction"\nkernel = { name = "Newtonian", d = 2.0 }', "d = 2.0: wanted an integer"),
        ('[[entropy]]\nterm = "LogDte"\ntemperature = 1.0', "entropy.0.term = 'LogDte'; did you mean 'LogDet'?"),
        ('[[entropy]]\nterm = "LogDet"', "entropy.0.temperature is missing; wanted a number ≥ 0"),
        ('[[entropy]]\nterm = "LogDet"\ntemperature = -0.1', "entropy.0.temperature = -0.1: wanted a number ≥ 0"),
        ('[[entropy]]\nterm = "LogDet"\ntemperature = 1.0\nridge = -1.0', "entropy.0: ridge = -1.0"),
        ('[[entropy]]\nterm = "Blob"\ntemperature = 1.0\nbandwidth = "silvermann"', "did you mean 'silverman'?"),
        ('[[entropy]]\nterm = "Softmax"\ntemperature = 1.0\naxis = "neurons"', "axis"),
    ],
)  # fmt: skip
def test_a_bad_term_is_named_by_its_place(term, message, tmp_path):
    with pytest.raises(ConfigError, match=re.escape(message)):
        load_config(file(tmp_path, MINIMAL + term + "\n"))


def test_several_mistakes_are_all_listed(tmp_path):
    path = file(tmp_path, MINIMAL.replace("dt = 0.1", "dt = 0\nnme = 1").replace("digits", 'digits"\ntask = "x'))
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert [line.partition(": ")[2][:16] for line in str(caught.value).splitlines()] == [
        "data.task = 'x'.", "solver.dt = 0: w", "unknown key solv",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed = 1\nseed = \n", "line 2"),
        ("seed = 1\n[data\n", "line 2"),
        ("seed = [1,\n2,\n", "line 2"),
        ("seed = 1\nseed = 2\n", "line 2"),
        ("seed = 1\x00", "line 1"),
    ],
)
def test_malformed_toml_names_file_and_line(text, message, tmp_path):
    with pytest.raises(ConfigError, match=rf"my\.toml: malformed TOML: .*{message}"):
        load_config(file(tmp_path, text))


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"absent\.toml: cannot be read"):
        load_config(tmp_path / "absent.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path)
    (tmp_path / "latin.toml").write_bytes("# Käfer\n".encode("latin-1"))
    with pytest.raises(ConfigError, match="not UTF-8 text"):
        load_config(tmp_path / "latin.toml")


def test_cuda_where_there_is_none_is_a_backend_error():
    import torch

    if torch.cuda.is_available():
        pytest.skip("CUDA is here")
    with pytest.raises(BackendError, match="sees no CUDA"):
        load_config(None, ["device=cuda"])


def test_nothing_in_a_file_is_executed_or_imported(tmp_path):
    for name in ("os.system", "__import__('os')", "wgf.solvers.Heun"):
        with pytest.raises(ConfigError, match=r"solver\.name"):
            load_config(file(tmp_path, MINIMAL + f'name = "{name}"\n'))


# ------------------------------------------------------------------------------------------ written back


def test_the_default_is_written_back_unchanged(tmp_path):
    assert load_config(file(tmp_path, dump(load_config()))) == load_config(DEFAULT)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
scalars = st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
tables = st.dictionaries(texts, scalars | st.lists(scalars, min_size=1, max_size=3), max_size=4)


@settings(max_examples=80, deadline=None)
@given(tables, st.dictionaries(texts, tables | st.lists(tables, min_size=1, max_size=2), max_size=3))
def test_what_is_written_is_read_back(plain, sections):
    import tomllib

    sections = {key: value for key, value in sections.items() if value and key not in plain}
    assert tomllib.loads(toml.write(plain | sections)) == plain | sections


def test_a_resolved_configuration_runs_anywhere():
    config = load_config(None, ["output.directory=somewhere", "network.loss=logistic", "data.source=breast-cancer"])
    resolved = config.resolved("classification", 100)
    assert resolved.output.directory is None
    assert resolved.data.task == "classification"
    assert NetworkConfig.model_validate(resolved.model_dump()) == resolved


@pytest.mark.parametrize(
    ("override", "task", "message"),
    [
        ("network.loss=squared", "classification", "wanted logistic or cross_entropy"),
        ("network.loss=logistic", "regression", "wanted squared or huber"),
        ("network.batch=101", "classification", "wanted at most the 100 training samples"),
    ],
)
def test_what_does_not_fit_the_data_is_refused(override, task, message):
    with pytest.raises(ConfigError, match=message):
        load_config(None, [override]).resolved(task, 100)


def test_the_names_of_terms_are_distinct():
    """A name picks one table at its place of the file: schedules and kernels may share names, as `Linear`."""
    kinds = [models(kind) for kind in ("kernel", "energy", "entropy", "domain", "drive", "initial")]
    assert len({name for kind in kinds for name in kind}) == sum(map(len, kinds))


@pytest.mark.parametrize("name", ["Heun", "Langevin", "ExponentialEuler"])
def test_another_scheme_takes_no_settings_that_the_file_has_for_the_first(name, tmp_path):
    assert load_config().solver.scheme() == solvers.BogackiShampine(rtol=1e-3, atol=2e-3)
    assert load_config(None, [f'solver.name="{name}"']).solver.scheme() == solvers.REGISTRY.make(name)
    same = load_config(None, ['solver.name="BogackiShampine"', "solver.rtol=0.1"]).solver.scheme()
    assert same == solvers.BogackiShampine(rtol=0.1, atol=2e-3)
    with pytest.raises(ConfigError, match=rf"solver.rtol = 0.1 is no setting of {name}"):
        load_config(None, ["solver.rtol=0.1", f"solver.name={name}"])
    with pytest.raises(ConfigError, match=r"solver.name"):
        load_config(None, ["solver.name=[1]"])


BASE = DEFAULT.read_text(encoding="utf-8")
FAR = {
    "20,000 tables": BASE + "".join(f"\n[t{i}]\na = 1\n" for i in range(20_000)),
    "20,000 terms": BASE + '\n[[energy]]\nterm = "Quadratic"\n' * 20_000,
    "20,000 keys": BASE + "".join(f"\nkey{i} = 1" for i in range(20_000)),
    "20,000 inline tables": "a = [" + "{b = 1}, " * 20_000 + "]\n" + BASE,
    "nested lists": "a = " + "[" * 3000 + "]" * 3000 + "\n" + BASE,
    "nested tables": "a = " + "{a=" * 3000 + "1" + "}" * 3000 + "\n" + BASE,
    "a dotted key": ".".join(["a"] * 3000) + " = 1\n" + BASE,
    "a long dotted key": " . ".join(["a"] * 100_000) + " = 1\n" + BASE,
    "a quoted dotted key": ".".join(['"a"'] * 3000) + " = 1\n" + BASE,
    "a dotted key inside": "a = {" + ".".join(["a"] * 3000) + " = 1}\n" + BASE,
    "a dotted table": BASE + "\n[" + ".".join(["data", *["a"] * 3000]) + "]\nx = 1\n",
    "a value of 40 levels": "a = " + "[" * 40 + "]" * 40 + "\n" + BASE,
    "5000 digits": BASE.replace("seed =", "seed = " + "1" * 5000 + " #", 1),
    "4000 digits": "k = " + "1" * 4000 + "\n" + BASE,
    "400,000 bits": "k = 0x" + "f" * 100_000 + "\n" + BASE,
    "neurons": BASE.replace("neurons =", "neurons = " + "1" * 200 + " #"),
    "NUL in a source": BASE.replace('"digits"', '"a\\u0000.csv"'),
    "NUL in a name": BASE.replace('"digits"', '"dig\\u0000its"'),
    "NUL in costs": 'costs = "a\\u0000"\n' + BASE,
    "NUL in the output": BASE + '\ndirectory = "a\\u0000"\n',
    "a long name": BASE.replace('"digits"', '"' + "x" * 100_000 + '"'),
    "a long key": BASE + "\n" + "k" * 500_000 + " = 1",
    "a large file": BASE + "\n# " + "x" * 2**20,
    "control characters": BASE + "\n\0\x1b[31m = 1",
}


@pytest.mark.parametrize("text", FAR.values(), ids=FAR.keys())
def test_files_that_no_run_needs_are_refused_in_a_second(tmp_path, text):
    import time

    (tmp_path / "far.toml").write_text(text, encoding="utf-8")
    clock = time.perf_counter()
    with pytest.raises(ConfigError, match=r"far\.toml|Unknown data set") as caught:
        wgf.data.load(load_config(tmp_path / "far.toml").data.source)
    assert time.perf_counter() - clock < 10.0  # some took a minute
    assert len(str(caught.value)) < 2500
    assert all(len(line) <= 300 and line.isprintable() for line in str(caught.value).splitlines())


@pytest.mark.parametrize(
    "assignment",
    [
        "." * 3000 + "=1",
        "a." * 3000 + "a=1",
        "solver.dt=" + "[" * 3000,
        "solver.dt=" + "1" * 5000,
        "solver.cells=" + "0x" + "f" * 100_000,
        "solver." + "x" * 100_000 + "=1",
        "seed=" + "1" * 4200,
        "energy." + "1" * 5000 + ".term=1",
        "energy.0." + "1" * 5000 + "=1",
        "data.source=a\0.csv",
        "data.source=a\udcff.csv",
        "data.source=" + "x" * 100_000 + ".csv",
        "output.directory=a\0",
        "costs=a\0",
        "costs=" + "x" * 100_000,
        "device=" + "x" * 100_000,
    ],
)
def test_assignments_that_no_run_needs_are_refused(assignment):
    with pytest.raises((ConfigError, BackendError)) as caught:
        wgf.data.load(load_config(None, [assignment]).data.source)
    assert all(len(line) <= 300 and line.isprintable() for line in str(caught.value).splitlines())


def test_paths_that_no_file_can_have_are_refused(tmp_path):
    import os

    for path in ("a\0b", "x" * 5000, tmp_path):
        with pytest.raises(ConfigError):
            load_config(path)
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/f\xff"))
    folder.mkdir()
    (folder / "a.toml").write_text(BASE)
    assert load_config(folder / "a.toml").data.source == "digits"
    (folder / "a.toml").write_text(BASE.replace('"digits"', '"a.csv"'))
    with pytest.raises(ConfigError, match=r"data\.source = .*wanted UTF-8 text without NUL"):
        load_config(folder / "a.toml")


def test_long_lists_of_numbers_are_no_dotted_keys(tmp_path):
    numbers = ", ".join(["0.125"] * 2000)
    (tmp_path / "long.toml").write_text(BASE + f"\n[[energy]]\nterm = 'Quadratic'\ncenter = [{numbers}]\n")
    assert len(load_config(tmp_path / "long.toml").energy[-1].center) == 2000

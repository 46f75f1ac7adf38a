"""The file of a sweep: what it stands for, and how bad ones are refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from wgf.errors import ConfigError, ResourceError
from wgf.sweeps import load_plan

BASE = """
[data]
source = "diabetes"
[network]
neurons = 30
[[entropy]]
term = "LogDet"
temperature = 0.01
[solver]
name = "Heun"
dt = 0.25
t_end = 2.0
"""


@pytest.fixture
def plan(tmp_path, monkeypatch):
    """Make a plan of the configuration with this table [sweep]."""
    monkeypatch.chdir(tmp_path)

    def made(sweep, base=BASE, overrides=()):
        (tmp_path / "s.toml").write_text(f"{base}\n[sweep]\n{sweep}")
        return load_plan("s.toml", overrides)

    return made


def test_any_key_varies_and_seeds_count_from_zero(plan):
    found = plan('solver.dt = [0.1, 0.2]\nentropy.0.temperature = [0, 1e-2]\n"network.neurons" = [30]\nseeds = 2')
    assert found.keys == ["solver.dt", "entropy.0.temperature", "network.neurons", "seed"]
    assert len(found.runs) == 8
    last = found.runs[-1]
    assert last.varied == {
        "solver.dt": 0.2,
        "entropy.0.temperature": 1e-2,
        "network.neurons": 30,
        "seed": 1,
    }
    assert (last.config.solver.dt, last.config.seed, last.config.network.neurons) == (0.2, 1, 30)
    assert last.config.entropy[0].temperature == 0.01


def test_whole_tables_schemes_and_lists_vary_too(plan):
    found = plan(
        'solver.name = ["Heun", "BogackiShampine"]\n'
        'domain = [{ kind = "Ball", radius = 50.0 }, { kind = "Ball", radius = 60.0 }]'
    )
    assert [run.config.solver.name for run in found.runs] == ["Heun", "Heun", "BogackiShampine", "BogackiShampine"]
    assert [run.config.domain.radius for run in found.runs] == [50.0, 60.0, 50.0, 60.0]


def test_ids_depend_on_what_is_resolved_and_on_nothing_else(plan, tmp_path):
    one = plan("solver.dt = [0.5]").runs[0]
    assert plan("solver.dt = [0.5, 0.25]").runs[0].id == one.id
    assert plan("solver.dt = [0.5]", overrides=["dtype=float64"]).runs[0].id == one.id  # the default
    assert plan("solver.dt = [0.5]", overrides=["output.directory=elsewhere"]).runs[0].id == one.id
    assert plan("seed = [0]", overrides=["solver.dt=0.5"]).runs[0].id == one.id
    assert plan("solver.dt = [0.5]", overrides=["seed=1"]).runs[0].id != one.id


def test_an_id_depends_on_the_content_of_a_data_file_and_not_on_its_place(tmp_path):
    text = BASE.replace("diabetes", "points.csv") + "[sweep]\nsolver.dt = [0.5]\n"
    found = []
    for name, rows in (("a", "1,2\n3,4\n"), ("b", "1,2\n3,4\n"), ("c", "1,2\n3,5\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "points.csv").write_text(rows * 10)
        (tmp_path / name / "s.toml").write_text(text)
        found.append(load_plan(tmp_path / name / "s.toml").runs[0].id)
    assert found[0] == found[1] != found[2]


def test_a_path_that_varies_is_relative_to_the_file(plan, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    plan('data.source = ["a.csv", "b.csv"]')
    monkeypatch.chdir(tmp_path / "elsewhere")
    found = load_plan(tmp_path / "s.toml")
    assert [run.config.model_dump()["data"]["source"] for run in found.runs] == [
        str(tmp_path / name) for name in ("a.csv", "b.csv")
    ]


def test_the_configuration_may_be_another_file(plan, tmp_path):
    whole = plan("solver.dt = [0.5]").runs[0].id
    (tmp_path / "base.toml").write_text(BASE)
    assert plan('base = "base.toml"\nsolver.dt = [0.5]', base="").runs[0].id == whole
    with pytest.raises(ConfigError, match=r"sweep\.base and tables of its own"):
        plan('base = "base.toml"\nsolver.dt = [0.5]')
    with pytest.raises(ConfigError, match="cannot be read"):
        plan('base = "nowhere.toml"\nsolver.dt = [0.5]', base="")
    with pytest.raises(ConfigError, match="wanted the path"):
        plan("base = 3\nsolver.dt = [0.5]", base="")


@pytest.mark.parametrize(
    ("sweep", "said"),
    [
        ("solvr.dt = [0.5]", r"run 1 \(solvr.dt = 0.5\): unknown key solvr.*did you mean 'solver'"),
        ("solver.dtt = [0.5]", r"run 1 .*unknown key solver.dtt = 0.5; did you mean 'dt'"),
        ("solver.dt = [0.5, -1]", r"run 2 \(solver.dt = -1\): solver.dt = -1: wanted a number > 0"),
        ("entropy.1.temperature = [0.5]", r"entropy has 1 item\(s\), counted from 0; there is no '1'"),
        ("network.neurons = [10.5]", "network.neurons = 10.5: wanted an integer"),
        ("solver.dt = []", "the list is empty"),
        ("solver.dt = 0.5", "wanted a list of values, or a range"),
        ("", "nothing is varied"),
        ('solver.dt = [1, 2]\nseed = [1]\nzip = [["solver.dt", "seed"]]', "solver.dt has 2, seed has 1"),
        ('solver.dt = [1, 2]\nzip = [["solver.dt", "sed"]]', "zip names the key 'sed'"),
        ("solver.dt = [1, 2]\nzip = 3", "lists of two keys"),
        ("solver.dt = [0.5, 0.25, 0.5]", r"runs 1 and 3 are the same: solver.dt = 0.5, and solver.dt = 0.5"),
        ("seeds = 2\nseed = [1]", "both seed and seeds"),
        ("seeds = 0", "a number of seeds"),
        ("seeds = true", "a number of seeds"),
        ('output.directory = ["a", "b"]', "runs 1 and 2 are the same"),
        ('"solver..dt" = [1]', "no key of a configuration"),
        ('"solver.dt" = [1]\n"solver" = [{ dt = 1.0, t_end = 1.0 }]', "sweep.solver replaces sweep.solver.dt"),
    ],
)
def test_bad_sweeps_are_refused_with_the_run_and_the_key(plan, sweep, said):
    with pytest.raises(ConfigError, match=said):
        plan(sweep)


def test_a_billion_runs_are_counted_and_not_made(plan):
    with pytest.raises(ResourceError, match=r"1000 × 1000 × 1000 = 1e\+09 runs"):
        plan(
            "solver.dt = { from = 0.001, to = 1.0, count = 1000 }\nseeds = 1000\n"
            "network.neurons = { from = 1, to = 1000, step = 1 }"
        )


def test_a_file_without_a_sweep_says_what_is_missing(tmp_path):
    (tmp_path / "s.toml").write_text(BASE)
    with pytest.raises(ConfigError, match=r"wanted a table \[sweep\]"):
        load_plan(tmp_path / "s.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_plan(tmp_path / "nowhere.toml")


def test_what_varies_is_not_set(plan):
    assert plan("solver.dt = [0.5]", overrides=["solver.t_end=3"]).runs[0].config.solver.t_end == 3.0
    with pytest.raises(ConfigError, match=r"the sweep varies 'solver\.dt'"):
        plan("solver.dt = [0.5]", overrides=["solver.dt=3"])


def test_the_example_of_the_documentation(tmp_path):
    text = (Path(__file__).parents[2] / "docs" / "sweeps.md").read_text(encoding="utf-8")
    (tmp_path / "my-sweep.toml").write_text(re.search(r"```toml\n(.*?)```", text, flags=re.S)[1])
    assert len(load_plan(tmp_path / "my-sweep.toml").runs) == 3 * 5 * 4 * 8

"""The house rules that can be read off the source: arrows of import, no global state, no unsafe formats."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import wgf.benchmarks
import wgf.solvers

import wgf

PACKAGE = Path(str(wgf.__file__)).parent
APART = {
    "solvers": Path(str(wgf.solvers.__file__)).parent,
    "benchmarks": Path(str(wgf.benchmarks.__file__)).parent,
}
"""Packages that stand beside the folder of wgf in the repository."""
ROOT = Path(__file__).parent.parent

# Each room may import from those before it, and from itself without a circle.
ORDER = [
    "errors", "process", "storage", "ops", "extension", "kernels", "summation", "wire", "measure", "functional",
    "energies", "entropies",
    "domains", "data", "protocol", "ledger", "diagnostics", "drives", "solvers", "figures",
    "interchange", "flow", "regularizers",
    "callbacks", "precision",
    "estimators", "runs", "sweeps", "studies", "benchmarks", "cli", "__main__",
]  # fmt: skip


# ------------------------------------------------------------------------------------------------- reading imports


def modules(package: Path = PACKAGE, apart: dict[str, Path] | None = None) -> dict[str, Path]:
    """Every module by its dotted name."""
    found = {}
    for name, folder in {"wgf": package, **{f"wgf.{room}": path for room, path in (apart or {}).items()}}.items():
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            found[".".join([name, *parts]).removesuffix(".__init__")] = path
    return found


def imports(name: str, path: Path, known: dict[str, Path]) -> Iterator[tuple[int, str]]:
    """(line, module) of every import of wgf in a file: at the top, in functions, and under TYPE_CHECKING.

    `from package import name` is an import of the module `package.name` where there is one, else of the package.
    """
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names if alias.name.split(".")[0] == "wgf")
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                base = ".".join([*parts[: len(parts) - node.level + 1], *([node.module] if node.module else [])])
            if base.split(".")[0] != "wgf":
                continue
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield node.lineno, inner if inner in known else base


def room(module: str) -> str:
    """The room of a module: the part after `wgf.`; empty for the package itself."""
    return module.split(".")[1] if "." in module else ""


def faults(known: dict[str, Path]) -> list[str]:
    """Every import that runs upward or has an unknown target, and every circle of files."""
    found: list[str] = []
    arrows: dict[str, set[str]] = {}
    for name, path in known.items():
        arrows[name] = set()
        for line, target in imports(name, path, known):
            where = f"{name}, line {line}"
            if target not in known:
                found.append(f"{where}: imports {target}, which is no module")
                continue
            if name != "wgf" and target == "wgf":  # `import wgf`: names are looked up when used
                continue
            if name != "wgf":
                for part in (room(name), room(target)):
                    if part not in ORDER:
                        found.append(f"{where}: a new room {part!r} needs its place in ORDER")
                        break
                else:
                    if ORDER.index(room(target)) > ORDER.index(room(name)):
                        found.append(f"{where}: {room(name)} imports {target} from above")
            if target != name:
                arrows[name].add(target)
    arrows.pop("wgf", None)
    return found + [f"a circle of imports: {' → '.join(circle)}" for circle in circles(arrows)]


def circles(arrows: dict[str, set[str]]) -> list[list[str]]:
    """The circles of a graph of modules; a package that imports its own parts is a door, not a room of the circle."""
    graph = {name: {t for t in targets if not t.startswith(f"{name}.")} for name, targets in arrows.items()}
    done: set[str] = set()
    found: list[list[str]] = []

    def visit(name: str, trail: list[str]) -> None:
        if name in trail:
            found.append([*trail[trail.index(name) :], name])
        elif name not in done:
            for target in sorted(graph.get(name, ())):
                visit(target, [*trail, name])
            done.add(name)

    for name in sorted(graph):
        visit(name, [])
    return found


def sources() -> Iterator[tuple[str, Path]]:
    yield from modules(PACKAGE, {} if (PACKAGE / "solvers").is_dir() else APART).items()


KNOWN = dict(sources())


def test_imports_point_one_way_file_by_file_types_included():
    assert faults(KNOWN) == []


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("ops/scratch.py", "from ..measure import Ensemble", "ops imports wgf.measure from above"),
        (
            "errors/__init__.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..flow import Solution",
            "errors imports wgf.flow from above",
        ),
        ("kernels/scratch.py", "def late():\n    from .. import solvers", "kernels imports wgf.solvers from above"),
        ("kernels/scratch.py", "from ..nowhere import thing", "imports wgf.nowhere, which is no module"),
        ("kernels/scratch.py", "import wgf.cli", "kernels imports wgf.cli from above"),
        ("attic/__init__.py", "from ..errors import ConfigError", "a new room 'attic' needs its place in ORDER"),
        ("kernels/one.py", "from .two import b", "a circle of imports: wgf.kernels.one → wgf.kernels.two"),
    ],
)
def test_the_reading_of_imports_sees_what_is_wrong(tmp_path, file, text, said):
    """A test of the test: a scratch file beside empty rooms."""
    for name in (
        "",
        "errors",
        "storage",
        "ops",
        "kernels",
        "measure",
        "flow",
        "solvers",
        "cli",
        Path(file).parent.name,
    ):
        (tmp_path / "wgf" / name).mkdir(parents=True, exist_ok=True)
        (tmp_path / "wgf" / name / "__init__.py").touch()
    (tmp_path / "wgf" / "kernels" / "two.py").write_text("from .one import a\n" if "one.py" in file else "")
    (tmp_path / "wgf" / file).write_text(text)
    (fault,) = faults(modules(tmp_path / "wgf"))
    assert said in fault


def test_at_the_root_stands_only_what_a_user_types():
    loose = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
    assert loose <= set(wgf.__all__)


def test_every_folder_is_a_package_of_the_distribution():
    configured = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    folders = {name for name, path in KNOWN.items() if path.name == "__init__.py"}
    assert set(configured["packages"]) == folders
    assert len(configured["packages"]) == len(folders)
    data = {package: patterns for package, patterns in configured["package-data"].items() if package != "wgf"}
    for name, path in KNOWN.items():
        if path.name == "__init__.py":
            kinds = {f"*{file.suffix}" for file in path.parent.iterdir() if file.suffix in (".html", ".toml", ".json")}
            assert kinds == set(data.get(name, [])), f"{name} has files {kinds} that package-data does not list"


# ------------------------------------------------------------------------------------------------- what is forbidden


@pytest.mark.parametrize("forbidden", ["pickle", "eval", "exec", "__import__"])
def test_no_pickle_no_eval(forbidden):
    """Results are sent to other processes by pickle, in one file; nothing is stored or read by it."""
    for name, path in KNOWN.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Name):
                assert node.id != forbidden, f"{name} uses {forbidden}"
            if isinstance(node, ast.Import | ast.ImportFrom):
                assert forbidden not in [a.name for a in node.names], f"{name} imports {forbidden}"
                if getattr(node, "module", None) == forbidden:
                    assert name == "wgf.protocol.sending", f"{name} imports from {forbidden}"


def numba_decorators(tree: ast.AST) -> Iterator[ast.AST]:
    """Uses of numba's compilers: `numba.njit`, `from numba import njit`, with or without arguments or another name."""
    compilers = {"jit", "njit", "vectorize", "guvectorize", "stencil", "cfunc"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in compilers and isinstance(node.value, ast.Name):
            if node.value.id in ("numba", "nb"):
                yield node
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "numba":
            yield from (alias for alias in node.names if alias.name in compilers)


def fast_maths(tree: ast.AST) -> Iterator[ast.AST]:
    """`fastmath=True` in a call: it would remove the checks for NaN."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "fastmath" and ast.unparse(node.value) == "True":
            yield node


def test_numba_is_compiled_in_ops_alone_and_never_with_fastmath_true():
    for name, path in KNOWN.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert not list(fast_maths(tree)), name
        if room(name) != "ops":
            assert not list(numba_decorators(tree)), f"{name}: compiled kernels live in wgf/ops"


@pytest.mark.parametrize(
    "text",
    [
        "import numba\n@numba.njit\ndef f(x): return x",
        "from numba import njit as fast\n@fast(cache=True)\ndef f(x): return x",
        "import numba as nb\nf = nb.jit(lambda x: x)",
    ],
)
def test_the_reading_of_numba_sees_every_spelling(text):
    assert list(numba_decorators(ast.parse(text)))
    assert not list(numba_decorators(ast.parse('"""Never `numba.njit` here."""')))
    assert list(fast_maths(ast.parse("f(fastmath=True)")))


def test_files_can_be_read_in_one_sitting():
    for name, path in KNOWN.items():
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 320, name


# ------------------------------------------------------------------------------------------------- importing


def python(code: str, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False, **options)


def test_importing_changes_nothing_global():
    code = (
        "import torch, numpy as np; torch.manual_seed(1); np.random.seed(1)\n"
        "def state(): return (torch.get_default_dtype(), torch.get_num_threads(),"
        " torch.random.get_rng_state().sum().item(), np.random.get_state()[2], np.geterr(),"
        " torch.backends.cuda.matmul.allow_tf32)\n"
        "before = state(); import wgf; wgf.Ensemble.gaussian(5, 2); assert state() == before; print('same')"
    )
    done = python(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "same"


def test_the_package_and_its_help_do_not_import_torch():
    code = (
        "import sys, wgf\n"
        "assert 'torch' not in sys.modules, 'import wgf'\n"
        "from wgf.cli import app\n"
        "from typer.testing import CliRunner\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        "assert 'torch' not in sys.modules, 'wgf --help'\n"
        "assert wgf.Ensemble.__name__ == 'Ensemble' and 'torch' in sys.modules\n"
        "wgf.solve, wgf.Quadratic, wgf.Shannon, wgf.solvers.Langevin\n"
        "assert 'numba' not in sys.modules, 'names of wgf'\n"
        "try:\n    wgf.Ensembel\nexcept AttributeError as error:\n    print(error)"
    )
    done = python(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "module 'wgf' has no attribute 'Ensembel'; did you mean 'Ensemble'?"


def test_importing_never_looks_for_garbage():
    """What an import makes stays, and a look at all of torch takes a tenth of a second."""
    code = (
        "import gc, sys, torch\n"
        "looks = []\n"
        "gc.callbacks.append(lambda phase, facts: looks.append(facts['generation']))\n"
        "import wgf\n"
        "gc.collect(0); looks.clear()\n"
        "wgf.solve, wgf.Quadratic, wgf.solvers.Langevin\n"
        "print(max(looks, default=0), gc.isenabled(), gc.get_freeze_count())\n"
        "gc.disable(); wgf.sweep; print(gc.isenabled())\n"
        "gc.enable(); gc.freeze(); held = gc.get_freeze_count(); wgf.benchmark; print(gc.get_freeze_count() == held)"
    )
    done = python(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["0", "True", "0", "False", "True"]


def test_a_first_run_does_not_wait_for_scipy():
    """SciPy takes .3 s to import, as long as all else that a first run imports beyond torch and numba."""
    code = (
        "import sys, wgf\n"
        "mu, solvers = wgf.Ensemble.gaussian(40, 2), wgf.solvers\n"
        "wgf.solve(wgf.Quadratic() - 0.1 * wgf.LogDet(), mu, solvers.Euler(), dt=0.1, t_end=1.0)\n"
        "wgf.solve(wgf.Quadratic() - 0.1 * wgf.Shannon(), mu, solvers.Langevin(), dt=0.1, t_end=0.2)\n"
        "heavy = 'scipy.special', 'scipy.spatial', 'scipy.stats', 'pandas', 'ot', 'matplotlib', 'torch._dynamo'\n"
        "print([m for m in heavy if m in sys.modules])"
    )
    done = python(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_a_source_tree_can_be_imported_as_it_stands(tmp_path):
    """`python` started in the root of a clone finds ./wgf before the installed package, and ./solvers with it."""
    ignored = shutil.ignore_patterns("__pycache__", *APART)
    shutil.copytree(PACKAGE, tmp_path / "wgf", ignore=ignored)
    for name, folder in APART.items():
        shutil.copytree(folder, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "results"))
    code = "import wgf, wgf.benchmarks; print(wgf.__file__, wgf.solvers.Heun())"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"{tmp_path / 'wgf' / '__init__.py'} Heun()"


FIRST_RELEASE = (
    "KSD MMD Blob Ensemble FreeEnergy Functional Interaction LeastSquares LogDet LogVariance NetworkRisk Noise "
    "Potential Power Quadratic Shannon SlicedWasserstein Softmax Solution Status Unit Variance collapse_index data "
    "diagnostics domains drives errors from_function kernels regularizers solve solvers"
)
"""The names of `wgf.__all__` in version 0.1.0, which stay."""


def test_public_names_exist():
    assert set(FIRST_RELEASE.split()) <= set(wgf.__all__)
    for name in wgf.__all__:
        assert hasattr(wgf, name)
    assert set(dir(wgf)) == set(wgf.__all__)
    for package in (wgf.kernels, wgf.drives, wgf.solvers, wgf.diagnostics, wgf.regularizers):
        for name in package.__all__:
            assert hasattr(package, name), f"{package.__name__}.{name}"
    for error in ("ConfigError", "ShapeError", "DivergenceError", "StepSizeError", "CheckpointError", "BackendError"):
        assert issubclass(getattr(wgf.errors, error), wgf.errors.WgfError)
    assert issubclass(wgf.errors.ConfigError, ValueError)
    assert issubclass(wgf.errors.ShapeError, ValueError)

"""The house rules that can be read off the source: arrows of import, no global state, no unsafe formats."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import wgf.benchmarks
import wgf.solvers

import wgf

PACKAGE = Path(wgf.__file__).parent
ROOMS = {"solvers": Path(wgf.solvers.__file__).parent, "benchmarks": Path(wgf.benchmarks.__file__).parent}
# Each room may import from those before it (and from itself).
ORDER = [
    "errors", "ops", "checks", "arrays", "noise", "sampling", "kernels", "summation", "ensemble", "domains", "data",
    "terms", "functional", "steering", "energies", "entropies", "protocol", "requirements", "diagnostics", "drives",
    "figures", "progress", "solution", "solvers", "plan", "arguments", "loop", "flow", "collapse", "regularizers",
    "runs", "studies", "benchmarks", "cli",
]  # fmt: skip


def sources():
    yield from ((p, p.relative_to(PACKAGE).parts[0].removesuffix(".py")) for p in PACKAGE.rglob("*.py"))
    for room, folder in ROOMS.items():
        if folder.parent != PACKAGE:
            yield from ((p, room) for p in folder.rglob("*.py"))


def imported_rooms(path: Path, room: str):
    """Rooms of wgf that a file imports when it runs (imports for type checking apart)."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    depth = len(path.relative_to(ROOMS.get(room, PACKAGE)).parts) + (room in ROOMS)
    for node in ast.walk(tree):
        if id(node) in typing_only or not isinstance(node, ast.ImportFrom | ast.Import):
            continue
        if isinstance(node, ast.Import):
            names = [a.name.split(".")[1] for a in node.names if a.name.startswith("wgf.")]
        elif node.level == depth and node.module is None:
            names = [a.name for a in node.names]
        elif node.level == depth:
            names = [node.module.split(".")[0]]
        elif node.level == 0 and node.module and node.module.split(".")[0] == "wgf":
            names = [node.module.split(".")[1]] if "." in node.module else [a.name for a in node.names]
        else:
            names = []
        yield from names


def test_imports_point_one_way():
    for path, room in sources():
        if room == "__init__":
            continue
        assert room in ORDER, f"{path.name}: a new room {room!r} needs its place in the order"
        for other in imported_rooms(path, room):
            if other in ORDER:
                assert ORDER.index(other) <= ORDER.index(room), f"{path.name} ({room}) imports {other} from above"


@pytest.mark.parametrize("forbidden", ["pickle", "eval", "exec", "__import__"])
def test_no_pickle_no_eval(forbidden):
    for path, _ in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Name):
                assert node.id != forbidden, f"{path.name} uses {forbidden}"
            if isinstance(node, ast.Import | ast.ImportFrom):
                assert forbidden not in [a.name for a in node.names], f"{path.name} imports {forbidden}"


def test_numba_is_compiled_by_one_decorator_and_never_with_fastmath_true():
    for path, room in sources():
        text = path.read_text(encoding="utf-8")
        assert "fastmath=True" not in text.replace("never fastmath=True", ""), path.name
        if room != "ops":
            assert "numba.njit" not in text, f"{path.name}: kernels live in wgf/ops"


def test_files_can_be_read_in_one_sitting():
    for path, _ in sources():
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 320, path.name


def test_importing_changes_nothing_global():
    code = (
        "import torch, numpy as np; torch.manual_seed(1); np.random.seed(1)\n"
        "def state(): return (torch.get_default_dtype(), torch.get_num_threads(),"
        " torch.random.get_rng_state().sum().item(), np.random.get_state()[2], np.geterr(),"
        " torch.backends.cuda.matmul.allow_tf32)\n"
        "before = state(); import wgf; wgf.Ensemble.gaussian(5, 2); assert state() == before; print('same')"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "same"


def test_a_source_tree_can_be_imported_as_it_stands(tmp_path):
    """`python` started in the root of a clone finds ./wgf before the installed package, and ./solvers with it."""
    ignored = shutil.ignore_patterns("__pycache__", *ROOMS)
    shutil.copytree(PACKAGE, tmp_path / "wgf", ignore=ignored)
    for room, folder in ROOMS.items():
        shutil.copytree(folder, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__", "results"))
    code = "import wgf, wgf.benchmarks; print(wgf.__file__, wgf.solvers.Heun())"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"{tmp_path / 'wgf' / '__init__.py'} Heun()"


def test_public_names_exist():
    for name in wgf.__all__:
        assert hasattr(wgf, name)
    for error in ("ConfigError", "ShapeError", "DivergenceError", "StepSizeError", "CheckpointError", "BackendError"):
        assert issubclass(getattr(wgf.errors, error), wgf.errors.WgfError)
    assert issubclass(wgf.errors.ConfigError, ValueError)
    assert issubclass(wgf.errors.ShapeError, ValueError)

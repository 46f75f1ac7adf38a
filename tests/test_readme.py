"""README.md: its lists are those of the registries, and what it links to is there."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_lists_are_written_from_the_registries():
    """After a new kernel, entropy, scheme, drive or study: python docs/readme.py."""
    spec = importlib.util.spec_from_file_location("readme", ROOT / "docs" / "readme.py")
    assert spec is not None
    assert spec.loader is not None
    readme = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(readme)
    assert readme.written(TEXT) == TEXT
    without = re.sub(r"`KSD`, ", "", TEXT)
    assert readme.written(without) == TEXT


def test_files_that_are_named_exist():
    links = re.findall(r"\]\(([\w./-]+\.\w+)\)", TEXT)
    assert links
    for name in links:
        assert (ROOT / name).exists(), name
    for name in re.findall(r"`((?:tests|examples|benchmarks|docs)/[\w./-]+)`", TEXT):
        assert (ROOT / name).exists(), name


def test_sections_and_tests_that_are_cited_exist():
    """`docs/theory.md §N` in the code is a section of that page, and a test that it names is there."""
    theory = (ROOT / "docs" / "theory.md").read_text(encoding="utf-8")
    sections = set(re.findall(r"^## (\d+)", theory, flags=re.M))
    assert sections >= set("12345678")
    sources = [path for room in ("wgf", "solvers", "benchmarks", "tests") for path in (ROOT / room).rglob("*.py")]
    cited = {number for path in sources for number in re.findall(r"theory\.md`? §(\d+)", path.read_text("utf-8"))}
    assert cited
    assert cited <= sections
    tests = "\n".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", theory))
    assert len(named) > 20
    for name in named:
        assert f"def {name}(" in tests or (ROOT / "tests" / f"{name}.py").exists(), name

"""A Sphinx extension: the code of the Markdown pages runs when they are built, and what it prints and draws is shown.

A page is one session. The pages run side by side, in processes of their own.

- ```` ```python ```` runs in its namespace. As in a notebook, the value of a last expression is shown, a figure as a
  picture, and a movie as a player.
- ```` ```bash ```` runs the command `wgf`.
- ```` ```toml ```` is written to a file where its first line names one, `# my.toml`.
- A comment of HTML that begins with `<!-- run` has Python that runs and is not shown.
- Other blocks, ```` ```console ```` and ```` ```text ````, are only shown.

All of it happens in a folder of the page, which is thrown away. Whatever fails stops the build.
"""

from __future__ import annotations

import ast
import contextlib
import io
import linecache
import os
import re
import shlex
import tempfile
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

import reference

BLOCK = re.compile(r"^```(python|bash|toml)\n(.*?)^```$|^<!-- run\n(.*?)^-->$", re.MULTILINE | re.DOTALL)
SIGNS = re.compile(r"([|*]|(?<=\w)_(?!\w))")
FIGURES = "_figures"
WIDE = 7.0
"""Inches: a phone scrolls a wider figure sideways, so that its text can be read."""
PAGES = {"CONTRIBUTING": "contributing", "CHANGELOG": "changes"}
"""Files of the repository that are pages here under another name."""
READY: dict[str, str] = {}
"""The pages that ran and are not read yet."""
RAN: dict[str, tuple[int, float]] = {}
"""Of each page how many blocks ran, and for how many seconds."""


class Session:
    """The names, the folder and the pictures of one page."""

    def __init__(self, page: str, figures: Path) -> None:
        self.page, self.figures = page, figures
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self.pictures = 0
        self.blocks = 0
        self.folder = tempfile.TemporaryDirectory()

    def replaced(self, match: re.Match[str]) -> str:
        """A block, and below it what it gave."""
        kind, code, hidden = match.groups()
        self.blocks += 1
        with contextlib.chdir(self.folder.name), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                if hidden is not None:
                    self.python(hidden)
                    return ""
                given = {"python": self.python, "bash": self.bash, "toml": self.toml}[kind](code)
            except (Exception, SystemExit) as error:
                told = traceback.format_exc(limit=-3)
                raise RuntimeError(f"{self.page}, block {self.blocks}:\n\n{code or hidden}\n{told}") from error
        return f"{match[0]}\n{given}"

    def python(self, code: str) -> str:
        """Run Python; give what it prints, the value of a last expression, and its pictures."""
        import matplotlib.pyplot as plt
        from matplotlib.figure import Figure

        *body, last = ast.parse(code).body
        name = f"<{self.page}, block {self.blocks}>"
        linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)  # for inspect.getsource
        value = None
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):  # progress is not shown
            if isinstance(last, ast.Expr):
                exec(compile(ast.Module(body, []), name, "exec"), self.names)
                value = eval(compile(ast.Expression(last.value), name, "eval"), self.names)
            else:
                exec(compile(ast.Module([*body, last], []), name, "exec"), self.names)
        text = printed.getvalue()
        figures = [plt.figure(number) for number in plt.get_fignums()]
        movie = ""
        if isinstance(value, Figure):
            figures.append(value)
        elif hasattr(value, "to_html") and hasattr(value, "times"):
            movie = f"\n~~~{{raw}} html\n{value.to_html()}\n~~~\n"
        elif value is not None:
            text += f"{value!r}\n"
        shown = output(text) + "".join(self.picture(figure) for figure in dict.fromkeys(figures)) + movie
        plt.close("all")
        return shown

    def bash(self, code: str) -> str:
        """Run lines of the command `wgf`, in this process; give what they print."""
        from typer.testing import CliRunner

        from wgf.cli import app

        text = ""
        for line in code.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if not words:
                continue
            if words[0] != "wgf":
                raise ValueError(f"only the command wgf is run, not {line!r}; show others as ```console")
            done = CliRunner().invoke(app, words[1:])
            if done.exit_code != 0:
                raise RuntimeError(f"{line}: exit code {done.exit_code}\n{done.output}") from done.exception
            text += done.output
        return output(text.replace(f"{self.folder.name}{os.sep}", ""))

    def toml(self, code: str) -> str:
        """Write a file."""
        if named := re.match(r"# ([\w-]+\.toml)\b", code):
            Path(named[1]).write_text(code, encoding="utf-8")
        return ""

    def picture(self, figure: Any) -> str:
        """Save a figure; give the line of Markdown that shows it."""
        self.pictures += 1
        name = f"{self.page.replace('/', '-')}-{self.pictures}.png"
        self.figures.mkdir(exist_ok=True)
        figure.savefig(self.figures / name, dpi=150, bbox_inches="tight")
        words = [text for axes in figure.axes for text in (axes.get_title(), axes.get_ylabel()) if text]
        said = re.sub(r"[\[\]$\\]", "", "; ".join(dict.fromkeys(words))).replace("\n", " ") or "figure"
        shown = f"\n![{said}](/{FIGURES}/{name})\n"
        return f"\n::::{{container}} wide\n{shown}\n::::\n" if figure.get_size_inches()[0] > WIDE else shown


def output(text: str) -> str:
    """Printed text as a block of its own."""
    text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text).rstrip()
    return f"\n~~~{{code-block}} text\n:class: output\n\n{text}\n~~~\n" if text else ""


def run(page: str, text: str, figures: Path) -> tuple[str, int, float]:
    """The text of a page with its code run, the number of its blocks, and the seconds that they took."""
    session = Session(page, figures)
    began = time.perf_counter()
    with session.folder:
        text = BLOCK.sub(session.replaced, text)
    return text, session.blocks, time.perf_counter() - began


def prepared(app: Any, env: Any, pages: list[str]) -> None:
    """Run the pages of Markdown that Sphinx will read, and README.md, in as many processes as there are processors."""
    from joblib import Parallel, delayed

    folder = Path(app.srcdir)
    for page in pages:
        if (path := Path(env.doc2path(page))).suffix == ".md":
            text = path.read_text(encoding="utf-8")
            READY[page] = re.sub(
                r"\]\(\.\./(CONTRIBUTING|CHANGELOG)\.md\)", lambda found: f"]({PAGES[found[1]]}.md)", text
            )
    readme = (folder.parent / "README.md").read_text(encoding="utf-8")
    texts = {"README": re.sub(r"^```(bash|toml)$", "```console", readme, flags=re.MULTILINE)}
    texts |= {page: text for page, text in READY.items() if BLOCK.search(text)}
    tasks = [delayed(run)(page, text, folder / FIGURES) for page, text in texts.items()]
    for page, (text, blocks, seconds) in zip(texts, Parallel(n_jobs=-1)(tasks), strict=True):
        READY[page], RAN[page] = text, (blocks, seconds)


def read(app: Any, page: str, source: list[str]) -> None:
    """Put the page as it ran in the place of the page as it is written."""
    source[0] = READY.pop(page, source[0])


def escaped(app: Any, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Docstrings are plain text: signs of mathematics that mean something in reStructuredText lose that meaning.

    An equation, which is indented after an empty line, becomes a literal block.
    """
    lines[:] = reference.summarised(lines)
    section, previous, equation = "Notes", "", False
    made: list[str] = []
    for line, after in zip(lines, [*lines[1:], ""], strict=False):
        if after and set(after) == {"-"}:
            section = line
        if section == "Examples":
            made.append(line)
            continue
        if section == "Notes" and line.startswith("    ") and not previous:
            made += [] if equation else ["::", ""]
            equation = True
        elif line and not line.startswith("    "):
            equation = False
        parts = [line] if equation else re.split(r"(`+[^`]*`+)", line)
        made.append("".join(part if k % 2 or equation else SIGNS.sub(r"\\\1", part) for k, part in enumerate(parts)))
        previous = line
    lines[:] = made


def skipped(app: Any, what: str, name: str, value: Any, skip: bool, options: Any) -> bool | None:
    """Leave out the methods that scikit-learn adds to every estimator."""
    return True if re.fullmatch(r"set_\w+_request|get_metadata_routing", name) else None


def told(app: Any, exception: Exception | None) -> None:
    """Say at the end how much ran."""
    if RAN and exception is None:
        blocks, seconds = (sum(part) for part in zip(*RAN.values(), strict=True))
        print(f"{blocks} blocks of {len(RAN)} pages ran, in {seconds:.0f} s:")
        for page, (count, took) in sorted(RAN.items(), key=lambda item: -item[1][1]):
            print(f"  {page}: {count} in {took:.1f} s")


def setup(app: Any) -> dict[str, Any]:
    """Register with Sphinx. It reads one page after the other: a process forked after torch has run may hang."""
    app.connect("env-before-read-docs", prepared)
    app.connect("source-read", read)
    app.connect("autodoc-process-docstring", escaped, priority=100)
    app.connect("autodoc-skip-member", skipped)
    app.connect("build-finished", told)
    return {"parallel_read_safe": False, "parallel_write_safe": True}

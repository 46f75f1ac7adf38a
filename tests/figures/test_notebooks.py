"""What a notebook shows: pictures, movies and short accounts of objects; and what they are in files and windows."""

from __future__ import annotations

import copy
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import wgf
from wgf.errors import BackendError, CheckpointError, ConfigError

EXAMPLES = Path(__file__).parents[2] / "examples" / "notebooks"
F = wgf.Quadratic() - 0.5 * wgf.LogDet()


def solved(dim=2, **options):
    mu = wgf.Ensemble.gaussian(80, dim, mean=1.0)
    return wgf.solve(F, mu, wgf.solvers.Heun(), dt=0.1, t_end=1.0, **{"trajectory_every": 2, **options})


sol = solved()


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.ipynb")), ids=lambda path: path.stem)
def test_example_notebooks_run_and_show_their_pictures(path, tmp_path, monkeypatch):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    book = nbformat.read(path, as_version=4)
    assert all(not cell.get("outputs") for cell in book.cells), "notebooks are stored without outputs"
    nbclient.NotebookClient(book, timeout=100, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [list(output.data) for cell in book.cells for output in cell.get("outputs", ()) if "data" in output]
    kinds = [kind for data in shown for kind in data]
    assert kinds.count("image/png") >= 2, "of plot() and plot_particles()"
    text = "".join(
        output.data.get("text/html", "")
        for cell in book.cells
        for output in cell.get("outputs", ())
        if "data" in output
    )
    assert 'type="range"' in text, "of animate()"
    assert "COMPLETED" in text, "of the solution"


def test_a_picture_shows_itself_and_says_where_there_is_no_window(monkeypatch):
    data, size = sol.plot()._repr_png_()
    assert data.startswith(b"\x89PNG")
    assert size == {"width": 648, "height": 446}
    monkeypatch.setenv("MPLBACKEND", "agg")
    with pytest.warns(UserWarning, match=r"savefig\(path\) writes a file"):
        sol.plot().show()


def test_a_window_gets_the_figure_and_is_closed_after_it(monkeypatch):
    import matplotlib
    from matplotlib import pyplot as plt

    seen = []
    monkeypatch.setattr(matplotlib, "get_backend", lambda: "tkagg")
    monkeypatch.setattr(plt, "show", lambda block: seen.append((block, plt.get_fignums(), plt.gcf().canvas.figure)))
    plt.close("all")
    figure = sol.plot()
    figure.show()
    assert seen == [(True, [1], figure)]
    assert plt.get_fignums() == []
    figure.savefig(sys.modules["io"].BytesIO())  # still a whole figure


@pytest.mark.parametrize("dim", [1, 2, 4])
def test_particles_and_movies_of_any_dimension(dim, tmp_path):
    given = solved(dim)
    assert [axis.get_title() for axis in given.plot_particles().axes] == ["t = 0", "t = 0.4", "t = 1"]
    assert [axis.get_title() for axis in given.plot_particles(0.79).axes] == ["t = 0.8"]
    movie = given.animate(pictures=4, fps=20)
    movie.save(tmp_path / "film.GIF")
    with Image.open(tmp_path / "film.GIF") as film:
        assert (getattr(film, "n_frames", 1), film.info["duration"]) == (4, 50)
        first = np.asarray(film.convert("RGB"))
        film.seek(3)
        assert (np.asarray(film.convert("RGB")) != first).any()
    movie.save(tmp_path / "film.html")
    assert (tmp_path / "film.html").read_text() == movie._repr_html_()
    assert 'max="3"' in movie._repr_html_()
    assert {path.name for path in tmp_path.iterdir()} == {"film.GIF", "film.html"}


def test_movies_of_weighted_and_lost_particles(tmp_path):
    from wgf.figures import Movie

    mu = wgf.Ensemble([[0.0, 0.0], [1.0, 2.0]], [0.1, 0.9])
    far = wgf.Ensemble([[1e300, 0.0], [1e300, 0.0]])
    for clouds in ([mu, far], [far, far], [mu]):
        Movie(clouds, range(len(clouds))).save(tmp_path / "film.gif")
        Movie(clouds, range(len(clouds))).to_html()
    with pytest.raises(ConfigError, match="no clouds"):
        Movie([], [])


def test_bars_and_density_have_the_mass_one():
    from wgf.figures import View

    mu = wgf.Ensemble([[0.0], [1.0], [5.0]], [0.2, 0.3, 0.5])
    view = View.of([mu, wgf.Ensemble.gaussian(400, 1)])
    for k, mass in ((0, 1.0), (1, 1.0)):
        assert view.bars(k).sum() * np.diff(view.edges)[0] == pytest.approx(mass)
        inside = view.density(k).sum() * np.diff(view.grid)[0]
        assert 0.6 < inside <= 1.0 + 1e-9  # what a Gaussian smears over the edge is not seen
    assert View.of([wgf.Ensemble([[3.0]])]).bars(0).max() > 0
    assert View.of([wgf.Ensemble([[1e9], [1e9 + 1e-6]])]).bars(0).max() > 0


def test_movies_refuse_what_cannot_be(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="trajectory_every"):
        solved(trajectory_every=None).animate()
    with pytest.raises(ConfigError, match="only its end at t = 1"):
        solved(trajectory_every=None).plot_particles(0.5)
    assert len(solved(trajectory_every=None).plot_particles().axes) == 1
    for bad in ({"pictures": 0}, {"fps": 0.0}, {"fps": "fast"}):
        with pytest.raises(ConfigError):
            sol.animate(**bad)
    with pytest.raises(ConfigError, match="at least one time"):
        sol.plot_particles([])
    movie = sol.animate()
    with pytest.raises(ConfigError, match=r"\.gif, \.mp4 or \.html"):
        movie.save(tmp_path / "film.avi")
    with pytest.raises(CheckpointError):
        movie.save(tmp_path / "no" / "film.html")
    monkeypatch.setattr("matplotlib.animation.FFMpegWriter.isAvailable", lambda: False)
    with pytest.raises(BackendError, match="needs ffmpeg"):
        movie.save(tmp_path / "film.mp4")
    assert not list(tmp_path.iterdir())


def test_a_film_of_ffmpeg(tmp_path):
    from matplotlib.animation import FFMpegWriter

    if not FFMpegWriter.isAvailable():
        pytest.skip("ffmpeg is not installed")
    sol.animate(pictures=3).save(tmp_path / "film.mp4")
    assert (tmp_path / "film.mp4").read_bytes()[4:8] == b"ftyp"


OBJECTS = {
    "ensemble": sol.ensemble, "free energy": F, "solution": sol, "state": sol.state, "ledger": sol.ledger,
    "timing": sol.timing, "force report": wgf.diagnostics.force_report(sol), "evaluation": sol.state.evaluation,
}  # fmt: skip


@pytest.mark.parametrize("name", OBJECTS)
def test_objects_tell_themselves_without_their_arrays(name):
    thing = OBJECTS[name]
    line, page = repr(thing), thing._repr_html_()
    for text in (line, page):
        assert "array([" not in text
        assert "tensor(" not in text
    assert len(line) < (1600 if name == "ledger" else 250)
    assert page.count("<table>") == page.count("</table>") == 1
    assert len(page) < 6000
    assert repr(pickle.loads(pickle.dumps(copy.deepcopy(thing)))) == line


@pytest.mark.parametrize(
    ("name", "wrong", "said"),
    [
        ("free energy", "temprature", "did you mean 'temperature'"),
        ("free energy", "LogDet", r'write F\["LogDet"\]'),
        ("free energy", "term", "did you mean 'terms'"),
        ("state", "stepp", "did you mean 'step'"),
        ("timing", "totel", "did you mean 'total'"),
        ("force report", "verdikt", "did you mean 'verdict'"),
    ],
)
def test_a_name_that_is_not_there_suggests_the_nearest(name, wrong, said):
    with pytest.raises(AttributeError, match=said):
        getattr(OBJECTS[name], wrong)
    with pytest.raises(AttributeError, match="did you mean 'Quadratic'"):
        getattr(wgf, "Quadratik")  # noqa: B009

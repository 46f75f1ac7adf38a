"""Data sets: what comes in, how it is split and standardised, and the errors that name file, row and column."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn import datasets
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from wgf.data import TEACHER, Dataset, load, teacher_student
from wgf.errors import ConfigError, ShapeError

ROWS = "".join(f"{i},{(i * i) % 7},{0.5 * i - 3}\n" for i in range(30))


def csv_file(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "table.csv"
    path.write_bytes(text.encode(encoding))
    return path


def npz_file(folder: Path, **arrays: Any) -> Path:
    path = folder / "arrays.npz"
    np.savez(path, **arrays)
    return path


def labelled(rows: int = 40) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((rows, 3)), rng.integers(0, 3, rows)


# ---------------------------------------------------------------------------------------------- sources


@pytest.mark.parametrize(
    ("name", "rows", "dim", "task", "classes"),
    [
        ("digits", 1797, 64, "classification", tuple(range(10))),
        ("breast-cancer", 569, 30, "classification", ("malignant", "benign")),
        ("breast_cancer", 569, 30, "classification", ("malignant", "benign")),
        ("diabetes", 442, 10, "regression", ()),
        ("teacher", TEACHER["samples"], TEACHER["dim"], "regression", ()),
    ],
)
def test_data_sets_by_name(name: str, rows: int, dim: int, task: str, classes: tuple[object, ...]) -> None:
    train, test = load(name)
    assert len(train) + len(test) == rows
    assert len(test) == pytest.approx(0.2 * rows, abs=1)
    for part in (train, test):
        assert isinstance(part, Dataset)
        assert (part.task, part.classes, part.name) == (task, classes, name.replace("_", "-"))
        assert part.x.dtype == torch.float64
        assert part.x.shape == (len(part), dim)
        assert part.y.shape == (len(part),)
        assert part.y.dtype == (torch.int64 if classes else torch.float64)
        assert len(part.feature_names) == dim
        assert bool(torch.isfinite(part.x).all())


def test_inputs_are_standardised_by_training_statistics_alone() -> None:
    train, test = load("diabetes", seed=3)
    raw_train, raw_test = load("diabetes", seed=3, standardise=False)
    scaler = StandardScaler().fit(raw_train.x.numpy())
    np.testing.assert_allclose(train.x.numpy(), scaler.transform(raw_train.x.numpy()), atol=1e-12)
    np.testing.assert_allclose(test.x.numpy(), scaler.transform(raw_test.x.numpy()), atol=1e-12)
    assert train.y_mean == pytest.approx(float(raw_train.y.mean()))
    assert train.y_scale == pytest.approx(float(raw_train.y.std(unbiased=False)))
    torch.testing.assert_close(test.y * test.y_scale + test.y_mean, raw_test.y)
    assert (raw_train.y_mean, raw_train.y_scale) == (0.0, 1.0)


def test_the_split_is_a_partition_of_the_source() -> None:
    train, test = load("diabetes", standardise=False)
    together = np.sort(np.concatenate([train.y.numpy(), test.y.numpy()]))
    np.testing.assert_array_equal(together, np.sort(datasets.load_diabetes().target))


def test_the_split_repeats_bit_for_bit_and_follows_the_seed() -> None:
    first, again, other = (load("digits", seed=seed)[0] for seed in (5, 5, 6))
    assert torch.equal(first.x, again.x)
    assert torch.equal(first.y, again.y)
    assert not torch.equal(first.y, other.y)


def test_the_split_is_stratified(tmp_path: Path) -> None:
    _, test = load("digits", test_fraction=0.3)
    counts = np.bincount(datasets.load_digits().target)
    assert np.all(np.abs(np.bincount(test.y.numpy()) - 0.3 * counts) <= 1)
    x, y = labelled()
    y[11] = 7
    with pytest.raises(ConfigError, match="only 1 member"):
        load(npz_file(tmp_path, x=x, y=y))


def test_the_split_is_scikit_learns(tmp_path: Path) -> None:
    x, y = datasets.load_digits(return_X_y=True)
    want, _, _, labels = train_test_split(x, y, test_size=0.2, random_state=4, stratify=y)
    train, test = load("digits", seed=4, standardise=False)
    np.testing.assert_array_equal(train.x.numpy(), want)
    np.testing.assert_array_equal(test.y.numpy(), labels)
    assert len(load("digits", seed=2**40)[0]) == len(train)  # seeds beyond scikit-learn's range work too


def test_a_constant_column_becomes_zero(tmp_path: Path) -> None:
    x, y = labelled()
    x[:, 1] = 0.1
    train, test = load(npz_file(tmp_path, x=x, y=y))
    assert bool((train.x[:, 1] == 0).all())
    assert bool((test.x[:, 1] == 0).all())


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_standardising_neither_overflows_nor_underflows(tmp_path: Path, scale: float) -> None:
    x, y = labelled()
    unit, _ = load(npz_file(tmp_path, x=x, y=y))
    train, _ = load(npz_file(tmp_path, x=scale * x, y=y))
    torch.testing.assert_close(train.x, unit.x, rtol=1e-10, atol=1e-12)


def test_dataset_moves_floats_and_keeps_class_indices() -> None:
    classes, _ = load("digits")
    numbers, _ = load("diabetes")
    assert classes.to("cpu", torch.float32).x.dtype == torch.float32
    assert classes.to(dtype=torch.float32).y.dtype == torch.int64
    assert numbers.to(dtype=torch.float32).y.dtype == torch.float32
    assert numbers.x.dtype == torch.float64


def test_numbers_beyond_float32_are_refused_there(tmp_path: Path) -> None:
    x, y = labelled()
    train, _ = load(npz_file(tmp_path, x=1e39 * x, y=y), standardise=False)
    with pytest.raises(ConfigError, match="out of the range of"):
        train.to(dtype=torch.float32)
    assert load(npz_file(tmp_path, x=1e39 * x, y=y))[0].to(dtype=torch.float32).x.dtype == torch.float32


# ---------------------------------------------------------------------------------------------- teacher


def test_teacher_student_is_the_network_it_says() -> None:
    """With one neuron and y = a tanh(w·x + b), arctanh(y/a) is affine in x: recover w and b by least squares."""
    x, y = teacher_student(200, 3, neurons=1, seed=2)
    rng = np.random.Generator(np.random.Philox(2).jumped())
    a, b, w = rng.standard_normal(1), rng.standard_normal(1), rng.standard_normal((1, 3)) / math.sqrt(3)
    design = np.column_stack([x.numpy(), np.ones(200)])
    solution = np.linalg.lstsq(design, np.arctanh(y.numpy() / a), rcond=None)[0]
    np.testing.assert_allclose(solution, [*w[0], b[0]], atol=1e-9)


def test_teacher_student_noise_is_what_it_adds() -> None:
    (x, clean), (same, noisy) = (teacher_student(4000, 4, noise=noise, seed=1) for noise in (0.0, 0.5))
    assert torch.equal(x, same)
    # the sample deviation of 4000 normal numbers is known to 1/√8000 = 1.1 %
    assert float((noisy - clean).std()) == pytest.approx(0.5, rel=5 * 0.011)


@pytest.mark.parametrize("activation", ["tanh", "relu", "erf", "sigmoid"])
def test_teacher_student_activations(activation: str) -> None:
    x, y = teacher_student(10, 2, activation=activation)
    assert x.dtype == y.dtype == torch.float64
    assert bool(torch.isfinite(y).all())


def test_other_samples_of_the_same_teacher() -> None:
    """Without noise both sets are answered by one network: its neurons, known from the seed, give both exactly."""
    rng = np.random.Generator(np.random.Philox(2).jumped())
    a, b, w = rng.standard_normal(5), rng.standard_normal(5), rng.standard_normal((5, 3)) / math.sqrt(3)
    drawn = [teacher_student(200, 3, seed=2, sample_seed=k) for k in (None, 2, 3)]
    for x, y in drawn:
        np.testing.assert_allclose(y.numpy(), np.tanh(x.numpy() @ w.T + b) @ a / math.sqrt(5), atol=1e-12)
    (x0, _), (x2, _), (x3, _) = drawn
    for one, other in ((x0, x2), (x2, x3), (x0, x3)):
        # correlations of 600 independent pairs: 5 standard deviations are 5/√600
        assert abs(float(np.corrcoef(one.flatten(), other.flatten())[0, 1])) < 5 / math.sqrt(600)
    assert torch.equal(teacher_student(200, 3, seed=2, sample_seed=3)[0], x3)
    with pytest.raises(ConfigError, match="sample_seed = -1"):
        teacher_student(10, 2, sample_seed=-1)


def test_teacher_student_checks_its_arguments() -> None:
    with pytest.raises(ConfigError, match="did you mean 'tanh'"):
        teacher_student(10, 2, activation="tahn")
    with pytest.raises(ConfigError, match="samples = 0"):
        teacher_student(0, 2)
    with pytest.raises(ConfigError, match=r"noise = -1"):
        teacher_student(10, 2, noise=-1)


# ---------------------------------------------------------------------------------------------- CSV


def test_csv_without_header_takes_the_last_column(tmp_path: Path) -> None:
    train, test = load(csv_file(tmp_path, ROWS), standardise=False)
    assert (train.task, train.feature_names, train.name) == ("regression", ("x0", "x1"), "table.csv")
    rows = torch.cat([train.x, test.x])[:, 0].tolist()
    assert sorted(rows) == [float(i) for i in range(30)]
    torch.testing.assert_close(train.y, 0.5 * train.x[:, 0] - 3)


@pytest.mark.parametrize("target", ["b", 1, -2])
def test_csv_with_header_takes_the_target_by_name_or_index(tmp_path: Path, target: str | int) -> None:
    path = csv_file(tmp_path, "\ufeffa, b ,c\n" + ROWS)  # with the byte-order mark that spreadsheets write
    train, _ = load(path, target=target, standardise=False)
    assert (train.task, train.classes, train.feature_names) == ("classification", (0, 1, 2, 4), ("a", "c"))
    values = torch.tensor([train.classes[i] for i in train.y])
    assert torch.equal(values, (train.x[:, 0] ** 2 % 7).long())


def test_csv_text_targets_are_classes_in_sorted_order(tmp_path: Path) -> None:
    text = "".join(f"{i},{'setosa' if i % 3 else 'iris, other'!r}\n".replace("'", '"') for i in range(12))
    train, _ = load(csv_file(tmp_path, text), standardise=False)
    assert (train.task, train.classes) == ("classification", ("iris, other", "setosa"))
    assert torch.equal(train.y, (train.x[:, 0] % 3 > 0).long())


def test_task_overrides_what_the_targets_suggest(tmp_path: Path) -> None:
    path = csv_file(tmp_path, ROWS)
    assert load(path, target=1)[0].task == "classification"
    forced, _ = load(path, target=1, task="regression")
    assert (forced.task, forced.y.dtype, forced.classes) == ("regression", torch.float64, ())
    assert load(csv_file(tmp_path, ROWS), target=0)[0].task == "regression"  # 30 distinct integers
    mixed = csv_file(tmp_path, "1,2\n2,2\n3,2\n4,x\n5,x\n6,x\n")
    assert load(mixed, task="classification")[0].classes == ("2", "x")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n\n3,\n", r"table\.csv, line 4, column 'b': '', missing value"),
        ("a,b\n1,2\nNaN,4\n", r"line 3, column 'a': 'NaN', missing value"),
        ("1,2\n3,inf\n", r"line 2, column 'x1': 'inf', not a finite number"),
        ("1,2\noops,4\n", r"line 2, column 'x0': 'oops', not a finite number"),
        ("1,2\n1_000,4\n", r"line 2, column 'x0': '1_000', not a finite number"),
        ("1,2\n3,four\n5,6\n", r"line 2, column 'x1': 'four', not a finite.*task='classification' reads"),
        ("1,yes\n3,NA\n5,no\n", r"line 2, column 'x1': 'NA', missing value"),
        ("a,b\n1,2\n3,4,5\n", r"line 3: 3 cells where the first line has 2"),
        ("a,b\n1\n", r"line 2: 1 cells where the first line has 2"),
        ("a,b\n", "at least one row of two columns"),
        ("", "at least one row of two columns"),
        ("1\n2\n", "at least one row of two columns"),
        ('1,"2\n', "cannot be read as comma-separated text"),
    ],
)
def test_csv_faults_name_line_and_column(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(csv_file(tmp_path, text))


def test_csv_target_faults(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "age,income,income\n" + ROWS)
    with pytest.raises(ConfigError, match=r"table\.csv has no column 'agee'; did you mean 'age'"):
        load(path, target="agee")
    with pytest.raises(ConfigError, match="more than one column 'income'"):
        load(path, target="income")
    with pytest.raises(ConfigError, match="target = 3: wanted an integer from -3 to 2"):
        load(path, target=3)
    with pytest.raises(ConfigError, match="names no columns: give the index of the target"):
        load(csv_file(tmp_path, ROWS), target="age")
    with pytest.raises(ConfigError, match=r"line 1, column 'x1': 'yes', not a finite number"):
        load(csv_file(tmp_path, "1,yes\n2,no\n"), task="regression")
    with pytest.raises(ConfigError, match="cannot be read as comma-separated text"):
        load(csv_file(tmp_path, "é,ü\n1,2\n", encoding="latin-1"))


def frame(header: str, rows: int = 10, columns: int = 4, label: bool = False) -> str:
    """A header line, then rows of decimal numbers, with a label at the end or not."""
    numbers = np.random.default_rng(0).normal(size=(rows, columns))
    lines = [",".join(f"{v:.5f}" for v in row) + (f",{'ab'[i % 2]}" if label else "") for i, row in enumerate(numbers)]
    return "\n".join([header, *lines]) + "\n"


@pytest.mark.parametrize(
    "text",
    [
        frame("0,1,2,3"),  # what pandas writes for columns without names
        frame("1,2,3,4"),
        "0,1\n" + "".join(f"{i},{i % 2}\n" for i in range(2, 20)),
        "0,1,2,3\n" + "".join(f"{i},{i * i % 7},{i * i % 5},{i % 2}\n" for i in range(4, 24)),
        frame("2019,2020,2021,2022"),
        frame("2015,2018,2019,2022"),
        frame("0.5,1.0,1.5,2.0"),
        frame("350.2,351.7,353.1,353.3,360.5,361.0", columns=6),
        frame("0,1,2,3,species", label=True),
        frame("10,30,20,5,7", label=True),
        frame(",0,1,2,3", columns=5),  # with the index
        frame("NA,NA,x", columns=3),
    ],
)
def test_a_first_line_that_may_be_a_header_or_a_row_is_refused_until_told(tmp_path: Path, text: str) -> None:
    path = csv_file(tmp_path, text)
    rows = text.count("\n")
    with pytest.raises(ConfigError, match="header=True or header=False"):
        load(path)
    train, test = load(path, header=True)
    assert len(train) + len(test) == rows - 1
    assert train.feature_names == tuple(text.splitlines()[0].split(",")[:-1])


def test_a_first_line_of_numbers_that_look_like_those_below_is_a_row(tmp_path: Path) -> None:
    for text in (
        ROWS,
        frame("-0.53,1.20,0.11,-2.5"),
        frame("-0.53,1.20,0.11,-2.5,a", label=True),
        "1,2\n5,2\n3,2\n9,1\n7,1\n8,1\n4,1\n6,1\n",
    ):
        train, test = load(csv_file(tmp_path, text))
        assert len(train) + len(test) == text.count("\n")
    told = frame("0,1,2,3")
    train, test = load(csv_file(tmp_path, told), header=False)
    assert len(train) + len(test) == 11
    with pytest.raises(ConfigError, match="header = True is about the first line"):
        load("digits", header=True)
    with pytest.raises(ConfigError, match="header = 1: wanted True, False or None"):
        load(csv_file(tmp_path, told), header=1)
    with pytest.raises(ConfigError, match="if this line is a header, pass header=True"):
        load(csv_file(tmp_path, frame("id,1.5,7,3")))
    assert load(csv_file(tmp_path, told), target="3")[0].feature_names == ("0", "1", "2")


@pytest.mark.parametrize(
    ("text", "x", "y"),
    [
        ("a;b;c\n1;2;3\n4;5;6\n7;8;9.5\n", [[1, 2], [4, 5], [7, 8]], [3, 6, 9.5]),
        ("1,5;2,3;0,5\n2,5;3,3;1\n4,25;-1,5e1;2,75\n", [[1.5, 2.3], [2.5, 3.3], [4.25, -15]], [0.5, 1, 2.75]),
        ("1,5;2,5\n2,5;3\n4,5;4\n", [[1.5], [2.5], [4.5]], [2.5, 3, 4]),
        ("a\tb\n1\t2\n3\t4.5\n5\t6\n", [[1], [3], [5]], [2, 4.5, 6]),
        ("1,5\t2\n2,5\t3,25\n3,5\t4\n", [[1.5], [2.5], [3.5]], [2, 3.25, 4]),
        ("a|b\n1|2\n2|3.5\n3|4\n", [[1], [2], [3]], [2, 3.5, 4]),
        ("1.5 2  3\n4 5 6.5\n7 8 9\n", [[1.5, 2], [4, 5], [7, 8]], [3, 6.5, 9]),
    ],
)
def test_separators_and_decimal_commas_are_told_from_the_file(tmp_path: Path, text: str, x: Any, y: Any) -> None:
    parts = load(csv_file(tmp_path, text), task="regression", standardise=False, test_fraction=0.33)
    rows = sorted((*part.x[k].tolist(), float(part.y[k])) for part in parts for k in range(len(part)))
    assert rows == sorted((*map(float, inputs), float(target)) for inputs, target in zip(x, y, strict=True))


@pytest.mark.parametrize(
    ("text", "told", "message"),
    [
        ("1,5;2\n2,5;3\n7.5;4\n", {}, "which one is decimal"),
        ("1,500;2\n2,250;3\n7,125;4\n", {}, "may be decimal or mark thousands"),
        ("a,b;c\nd,e;f\ng,h;i\n", {}, "may be separated by commas or semicolons. Tell by separator="),
        ("1;2\n3;4\n5;6\n", {"separator": ":"}, "separator = ':'"),
        ("1;2\n3;4\n5;6\n", {"decimal": ":"}, "decimal = ':'"),
        ("1;2\n3;4\n5;6\n", {"decimal": ",", "separator": ","}, "wanted two marks"),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(tmp_path: Path, text: str, told: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(csv_file(tmp_path, text), **told)


def test_what_is_told_decides(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "1,500;2\n2,250;3\n7,125;4.5\n")
    train, test = load(path, decimal=",", standardise=False, task="regression", test_fraction=0.33)
    assert sorted([*train.x.flatten().tolist(), *test.x.flatten().tolist()]) == [1.5, 2.25, 7.125]
    told = csv_file(tmp_path, "".join(f"{k},x;{k % 2}\n" for k in range(9)))
    assert load(told, separator=",")[0].classes == ("x;0", "x;1")


def test_marks_inside_labels_are_no_separators(tmp_path: Path) -> None:
    text = "".join(f'{i},"{"x;y" if i % 2 else "x|z"}"\n' for i in range(3, 20))
    assert load(csv_file(tmp_path, text))[0].classes == ("x;y", "x|z")


def test_text_that_is_no_csv(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    for content, message in [
        (ROWS.encode("utf-16"), "is not UTF-8"),
        (b"1,2\n3,4\x00\n", "line 2: a NUL"),
        (b"\xff" * 100, "byte 0 is not UTF-8"),
        (b'1,2\n"' + b"x" * 200_000, "cannot be read as comma-separated"),
        (("9" * 400 + ",1\n").encode() * 3, "not a finite number"),
    ]:
        path.write_bytes(content)
        with pytest.raises(ConfigError, match=message) as caught:
            load(path)
        assert len(str(caught.value)) <= 300


def test_a_name_that_is_not_utf8_can_be_read_and_printed(tmp_path: Path) -> None:
    import os

    path = os.fsdecode(os.fsencode(tmp_path) + b"/t\xffble.csv")
    Path(path).write_text(ROWS)
    train, _ = load(path)
    assert train.name == "t\\udcffble.csv"
    Path(path).write_text("a;b\n1;2\n")
    with pytest.raises(ConfigError) as caught:
        load(path)
    str(caught.value).encode("utf-8")
    for impossible in ("a\0b.csv", "x" * 5000 + ".csv", str(tmp_path)):
        with pytest.raises(ConfigError):
            load(impossible)


@pytest.mark.parametrize("shift", [2**53, -(2**53) - 4, 2**63 - 5, 2**70])
def test_integer_labels_are_exact(tmp_path: Path, shift: int) -> None:
    labels = [shift + k for k in (0, 1, 3, 4)]
    text = "".join(f"{i}.5,{labels[i % 4]}\n" for i in range(32))
    train, test = load(csv_file(tmp_path, text), standardise=False)
    assert train.classes == tuple(labels)
    for part in (train, test):
        assert [labels.index(part.classes[k]) for k in part.y] == [int(v - 0.5) % 4 for v in part.x[:, 0]]
    if shift < 2**63:
        y = np.array(labels * 8)
        x = np.random.default_rng(0).normal(size=(32, 2))
        assert load(npz_file(tmp_path, x=x, y=y))[0].classes == tuple(labels)
        np.save(tmp_path / "table.npy", np.column_stack([np.arange(32), y]))
        assert load(tmp_path / "table.npy", task="classification")[0].classes == tuple(labels)


def test_labels_of_every_integer_dtype_are_exact(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(32, 2))
    for dtype in (np.uint64, np.int64, np.uint8, ">i8"):
        top = np.iinfo(dtype).max
        y = np.array([top, top - 1, top - 3, 0] * 8, dtype=dtype)
        assert load(npz_file(tmp_path, x=x, y=y))[0].classes == (0, int(top) - 3, int(top) - 1, int(top))
    with pytest.raises(ConfigError, match="found x, X, y"):
        load(npz_file(tmp_path, x=x, X=x, y=x[:, 0]))


# ---------------------------------------------------------------------------------------------- NPY and NPZ


def npy_with(header: str, content: bytes) -> bytes:
    text = header.encode("latin-1")
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + content


@pytest.mark.parametrize(
    "shape",
    ["(1000000000000, 3)", "(10, 3)", "(41, 3)", "(39, 3)", "(-1, 3)", "(40, 1000000000000)", "(0, 1000000000000)"],
)
@pytest.mark.parametrize("dtype", ["<f8", "<U0", "<U900000000", "|O", "<c16", "<M8[s]"])
def test_npy_headers_that_lie_are_refused_before_memory_is_reserved(tmp_path: Path, shape: str, dtype: str) -> None:
    content = np.random.default_rng(0).normal(size=(40, 3)).tobytes()
    lie = npy_with(f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}", content)
    path = tmp_path / "table.npy"
    path.write_bytes(lie)
    with pytest.raises((ConfigError, ShapeError)):
        load(path)
    import zipfile

    with zipfile.ZipFile(tmp_path / "table.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", lie)
        archive.writestr("y.npy", lie)
    with pytest.raises((ConfigError, ShapeError)):
        load(tmp_path / "table.npz")


def test_nested_headers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.npy"
    for header in ("[" * 5000, "(" * 3000 + ")" * 3000, "{" * 200, "1" * 5000, "\0", "{'descr': " + "-" * 9000 + "1}"):
        path.write_bytes(npy_with(header, b"12345678"))
        with pytest.raises(ConfigError, match="cannot be read as arrays of numbers"):
            load(path)


def test_npy_takes_a_target_column(tmp_path: Path) -> None:
    table = np.arange(90).reshape(30, 3)
    np.save(tmp_path / "table.npy", table)
    train, _ = load(tmp_path / "table.npy", target=0, standardise=False)
    assert (train.task, train.feature_names, train.x.dtype) == ("regression", ("x0", "x1"), torch.float64)
    torch.testing.assert_close(train.x - train.y[:, None], torch.tensor([[1.0, 2.0]]).double().expand(len(train), 2))
    assert torch.equal(load(str(tmp_path / "table.npy"), standardise=False)[0].y % 3, torch.full((24,), 2.0).double())


def test_npz_takes_several_targets_and_undoes_each(tmp_path: Path) -> None:
    x, _ = labelled()
    y = np.column_stack([x[:, 0], 100 + 10 * x[:, 1]]).astype(np.float32)
    train, test = load(npz_file(tmp_path, X=x, Y=y))
    raw, _ = load(npz_file(tmp_path, X=x, Y=y), standardise=False)
    assert (train.task, tuple(train.y.shape), tuple(test.y.shape)) == ("regression", (32, 2), (8, 2))
    torch.testing.assert_close(train.y.mean(0), torch.zeros(2).double(), atol=1e-12, rtol=0)
    torch.testing.assert_close(train.y * train.y_scale + train.y_mean, raw.y)
    assert isinstance(train.to(dtype=torch.float32).y_mean, torch.Tensor)


def test_npz_takes_text_labels_and_columns_of_one(tmp_path: Path) -> None:
    x, y = labelled()
    train, _ = load(npz_file(tmp_path, x=x, y=np.array(["b", "c", "a"])[y]))
    assert train.classes == ("a", "b", "c")
    assert load(npz_file(tmp_path, x=x, y=x[:, :1]))[0].y.ndim == 1
    assert load(npz_file(tmp_path, x=x, y=y > 0))[0].classes == (0, 1)


def test_npz_faults_name_what_was_found(tmp_path: Path) -> None:
    x, y = labelled()
    broken = x.copy()
    broken[4, 2] = np.nan
    infinite = x[:, 0].copy()
    infinite[7] = np.inf
    for arrays, error, message in [
        ({"inputs": x, "y": y}, ConfigError, "wanted arrays x and y, found inputs, y"),
        ({"x": x, "y": y[:-1]}, ShapeError, r"x \(40, 3\) and y \(39,\)"),
        ({"x": x[:, 0], "y": y}, ShapeError, r"x \(40,\)"),
        ({"x": x[:0], "y": y[:0]}, ShapeError, r"x \(0, 3\)"),
        ({"x": x * 1j, "y": y}, ConfigError, "x has dtype complex128, wanted real numbers"),
        ({"x": x, "y": y * 1j}, ConfigError, "y has dtype complex128"),
        ({"x": x.astype(object), "y": y}, ConfigError, "cannot be read as arrays of numbers"),
        ({"x": broken, "y": y}, ConfigError, "x is nan in row 4, column 2"),
        ({"x": x, "y": infinite}, ConfigError, "y is inf in row 7"),
    ]:
        with pytest.raises(error, match=message):
            load(npz_file(tmp_path, **arrays))


def test_npy_faults(tmp_path: Path) -> None:
    path = tmp_path / "table.npy"
    np.save(path, np.arange(4.0))
    with pytest.raises(ShapeError, match=r"shape \(4,\), wanted \(M, D \+ 1\)"):
        load(path)
    np.save(path, np.eye(4))
    with pytest.raises(ConfigError, match="names no columns"):
        load(path, target="y")
    np.save(path, np.array([[1, "a"]], dtype=object), allow_pickle=True)
    with pytest.raises(ConfigError, match="cannot be read as arrays of numbers"):
        load(path)
    for garbage in (b"", b"not an array"):
        path.write_bytes(garbage)
        with pytest.raises(ConfigError, match=r"table\.npy: cannot be read as arrays of numbers"):
            load(path)
    zipped = tmp_path / "broken.npz"
    zipped.write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(ConfigError, match="cannot be read as arrays of numbers"):
        load(zipped)


# ---------------------------------------------------------------------------------------------- what is refused


def test_sources_that_do_not_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Unknown data set 'digist'.*did you mean 'digits'"):
        load("digist")
    with pytest.raises(ConfigError, match=r"nowhere\.csv: no such file"):
        load(tmp_path / "nowhere.csv")
    with pytest.raises(ConfigError, match="wanted the name of a data set, a path, or data"):
        load(7)
    with pytest.raises(ConfigError, match="target = 0 picks a column"):
        load("digits", target=0)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, math.nan, "half"])
def test_test_fraction_is_strictly_between_zero_and_one(fraction: float) -> None:
    with pytest.raises(ConfigError, match="test_fraction"):
        load("digits", test_fraction=fraction)


def test_options_are_checked() -> None:
    with pytest.raises(ConfigError, match="did you mean 'regression'"):
        load("digits", task="regresion")
    with pytest.raises(ConfigError, match="seed = -1"):
        load("digits", seed=-1)


def test_tasks_that_the_targets_cannot_serve(tmp_path: Path) -> None:
    x, y = labelled()
    for targets, task, message in [
        (x[:, 0], "classification", "wants text or integers, not"),
        (x[:, :2], "classification", r"y has shape \(40, 2\)"),
        (0 * y, "classification", "wants two classes or more"),
        (y.astype(str), "regression", "wants numeric targets, the first is"),
    ]:
        with pytest.raises(ConfigError, match=message):
            load(npz_file(tmp_path, x=x, y=targets), task=task)


def same(one: Any, other: Any) -> None:
    for a, b in zip(one, other, strict=True):
        assert torch.equal(a.x, b.x)
        assert torch.equal(a.y, b.y)
        assert (a.task, a.classes) == (b.task, b.classes)


def test_data_in_memory_are_those_of_a_file(tmp_path: Path) -> None:
    """Arrays, tensors, frames of pandas and polars, and a dataset of torch give the split of the same file."""
    import pandas as pd

    x, y = labelled()
    file = load(npz_file(tmp_path, x=x, y=y))
    names = [f"f{j}" for j in range(x.shape[1])]
    for source in (
        (x, y),
        [x.tolist(), y],
        (torch.from_numpy(x), torch.from_numpy(y)),
        (pd.DataFrame(x), pd.Series(y)),
    ):
        same(load(source), file)
    same(load(torch.utils.data.TensorDataset(torch.from_numpy(x), torch.from_numpy(y))), file)
    frame = pd.DataFrame(x, columns=names).assign(label=y)
    same(load(frame), file)
    same(load(frame[["label", *names]], target="label"), file)
    assert load(frame)[0].feature_names == tuple(names)
    polars = pytest.importorskip("polars")
    same(load(polars.DataFrame({name: frame[name].to_numpy() for name in frame.columns})), file)
    words = np.array(["no", "yes", "maybe"])[y % 3]
    assert load((x, words))[0].classes == ("maybe", "no", "yes")
    assert load((x, pd.Series(words)))[0].classes == ("maybe", "no", "yes")
    whole = np.concatenate([x, x[:, :1]], 1)
    assert load(whole)[0].task == "regression"


def test_bad_data_in_memory_are_refused_in_a_line() -> None:
    import pandas as pd

    x, y = labelled(10_000)
    broken = x.copy()
    broken[3, 1] = math.nan
    for source, error, message in [
        ({"x": x}, ConfigError, "wanted the name of a data set, a path, or data"),
        (x[:, 0], ShapeError, "wanted .M, D . 1."),
        ((x, y[:-1]), ShapeError, "wanted .M, D. and .M,."),
        ((x, y, y), ConfigError, "wanted a pair"),
        ((broken, y), ConfigError, "x is nan in row 3"),
        ((x.astype(str), y), ConfigError, "wanted real numbers"),
        ((x + 1j, y), ConfigError, "wanted real numbers"),
        ((np.ma.masked_invalid(broken), y), ConfigError, "a masked array"),
        (pd.DataFrame({"a": ["u", "v"], "b": [1, 2]}), ConfigError, "column 'a' has dtype"),
        (pd.DataFrame({"a": [1.0]}), ShapeError, "wanted inputs and a target"),
        (torch.utils.data.TensorDataset(torch.from_numpy(x)), ConfigError, "is no pair"),
    ]:
        with pytest.raises(error, match=message) as caught:
            load(source)
        assert len(str(caught.value)) < 300
    with pytest.raises(ConfigError, match="no column 'c'"):
        load(pd.DataFrame({"a": [1.0, 2.0], "b": [1, 2]}), target="c")
    with pytest.raises(ConfigError, match="picks a column"):
        load((x, y), target=0)
    with pytest.raises(ConfigError, match="is in memory"):
        load((x, y), header=True)


def test_every_class_has_a_row_to_train_on(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(64, 2))
    y = np.array([0] * 60 + [1, 1, 2, 2])
    with pytest.raises(ConfigError, match="a class has no row to train on"):
        load(npz_file(tmp_path, x=x, y=y), test_fraction=0.95)


@pytest.mark.parametrize(("rows", "fraction"), [(1, 0.5), (2, 0.5), (3, 0.6)])
def test_too_few_rows_to_split(tmp_path: Path, rows: int, fraction: float) -> None:
    x = np.random.default_rng(1).standard_normal((rows, 2))
    with pytest.raises(ConfigError, match=f"cannot split {rows} rows"):
        load(npz_file(tmp_path, x=x, y=x[:, 0]), test_fraction=fraction)


def test_a_data_set_prints_in_a_line() -> None:
    assert repr(load("breast-cancer")[0]) == "Dataset('breast-cancer', 455 × 30, classification: malignant, benign)"


@pytest.mark.parametrize("constant", [0.3, 1e-9 / 3, 1e15 / 3])
def test_a_column_that_is_constant_up_to_rounding_has_scale_one(tmp_path: Path, constant: float) -> None:
    """Training numbers that differ in the last place, and one outlier that is in the test set."""
    rng = np.random.default_rng(0)
    column = np.where(rng.random(50) < 0.5, np.nextafter(constant, np.inf), constant)
    column[7] = 2 * constant
    path = npz_file(tmp_path, x=np.column_stack([rng.normal(size=50), column]), y=column)
    apart = []
    for seed in range(20):
        train, test = load(path, seed=seed, task="regression")
        if len(test.x) and float(train.x[:, 1].abs().max()) <= 4 * np.finfo(float).eps * constant:
            apart += [float(test.x[:, 1].max()), float(test.y.max())]
            assert train.y_scale == 1.0
    assert apart
    np.testing.assert_allclose(apart, constant, rtol=1e-12)


def test_digits_with_zeros_before_them_are_labels_and_not_numbers(tmp_path):
    path = tmp_path / "codes.csv"
    rows = [f"{i / 7:.3f},{i / 3:.3f},{('01', '1', '2')[i % 3]}" for i in range(30)]
    path.write_text("u,v,y\n" + "\n".join(rows))
    assert load(path)[0].classes == ("01", "1", "2")
    assert load(path, task="regression")[0].classes == ()

"""One table, many doors: a file, a frame, arrays or a torch dataset become the same training and test data.

`wgf.data.load` reads them, splits them and standardises by the training part. It never guesses: where a file can be
read in two ways it is refused, with what to say. A teacher network gives data of any size, and other samples of the
same teacher for a test.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from torch.utils.data import TensorDataset

import wgf
from wgf.errors import ConfigError, ShapeError

rng = np.random.default_rng(0)
frame = pd.DataFrame(rng.normal(size=(60, 3)).round(3), columns=["width", "height", "age"])
frame["price"] = (frame.width - 2.0 * frame.height * frame.age).round(3)

# the same table by five doors; the file has semicolons and decimal commas, as a European spreadsheet writes them
frame.to_csv("prices.csv", sep=";", decimal=",", index=False)
inputs, prices = frame.drop(columns="price").to_numpy(), frame.price.to_numpy()
sources = {
    "file": "prices.csv",
    "frame of pandas": frame,
    "pair of arrays": (inputs, prices),
    "one array": np.column_stack([inputs, prices]),
    "torch dataset": TensorDataset(torch.tensor(inputs), torch.tensor(prices)),
}
loaded = {name: wgf.data.load(source, seed=1) for name, source in sources.items()}
first_train, first_test = loaded["file"]
for name, (train, test) in loaded.items():
    same = torch.equal(train.x, first_train.x) and torch.equal(test.y, first_test.y)
    print(f"{name:<16} {train!r}, same numbers: {same}")
print("columns:", ", ".join(loaded["file"][0].feature_names), "| another target:", end=" ")
print(", ".join(wgf.data.load(frame, target="age")[0].feature_names))

# text as a target means classes; the last column of a file is the target unless told
Path("irises.csv").write_text(
    "".join(f"{a:.1f}\t{b:.1f}\t{'red' if a > b else 'blue'}\n" for a, b in rng.random((40, 2)))
)
print("tabs, no header:", wgf.data.load("irises.csv")[0])

# what can be read in two ways, or not at all, is refused with one line
Path("unclear.csv").write_text("1,234;5,678\n2,345;6,789\n3,456;7,891\n4,567;8,912\n")
frame.loc[7, "age"] = np.nan
refused = {
    "unclear.csv": lambda: wgf.data.load("unclear.csv"),
    "a hole": lambda: wgf.data.load(frame),
    "no pair": lambda: wgf.data.load((rng.random((5, 2)), prices)),
    "no target": lambda: wgf.data.load(frame, target="cost"),
}
for name, call in refused.items():
    try:
        call()
    except (ConfigError, ShapeError) as error:
        print(f"refused, {name}: {type(error).__name__}: {error}")
print("told:", wgf.data.load("unclear.csv", separator=";", decimal=",", test_fraction=0.5)[0])

# a teacher: the default gives train and test of one teacher; a risk takes the arrays as they are
train, test = wgf.data.load("teacher")
risk = wgf.NetworkRisk(train.x, train.y, activation="tanh")
scheme = wgf.solvers.BogackiShampine(rtol=1e-3, atol=2e-3)
sol = wgf.solve(risk, risk.initial(100, seed=0), scheme, dt=0.1, t_end=20.0)
error = float((risk.predict(sol.ensemble, test.x) - test.y).square().mean())
print(f"teacher: {error:.3f} of the variance of unseen targets is unexplained")

figure, axis = plt.subplots(figsize=(6, 3.5), layout="constrained")
axis.plot(sol.ledger["t"], sol.ledger["free_energy"])
axis.set(title="A student learns from a teacher", xlabel="flow time t", ylabel="risk")
plt.show()

"""What may be done during a run: callbacks at records, at steps and at the end.

A network is trained with its test loss as an observer. The run ends early when that loss no longer improves, each
record goes into a CSV file at once, and a callback of one's own looks at the neurons every 20 steps. It changes no
number of the run: the same run without callbacks has the same bits.
"""

import matplotlib.pyplot as plt

import wgf
from wgf.callbacks import CSV, Callback, EarlyStopping

train, test = wgf.data.load("diabetes")
risk = wgf.NetworkRisk(train.x, train.y, activation="tanh")
unseen = wgf.NetworkRisk(test.x, test.y, activation="tanh")
F = risk + 1e-3 * wgf.Quadratic() - 1e-3 * wgf.LogDet()
mu = risk.initial(n=200, seed=0)


class Spread(Callback):
    """Notes how far the neurons are spread out."""

    every = 20

    def __init__(self):
        self.seen = []

    def on_step(self, step, t, mu):
        self.seen.append((step, float(mu.covariance().trace())))

    def on_end(self, sol):
        print(f"the run ended at t = {sol.state.t:g}: {sol.status.name}")


def run(callbacks, t_end=200.0):
    return wgf.solve(F, mu, wgf.solvers.Heun(), dt=0.25, t_end=t_end, record_every=8, callbacks=callbacks,
                     observers={"test_loss": unseen.value})  # fmt: skip


spread, stop = Spread(), EarlyStopping("test_loss", patience=3)
sol = run([spread, stop, CSV("records.csv")])
print(f"best test loss {stop.best:.4f}, reached {stop.waited} records before the end")
print(f"spread {spread.seen[0][1]:.3f} after {spread.seen[0][0]} steps, {spread.seen[-1][1]:.3f} at the end")
with open("records.csv", encoding="utf-8") as file:
    print(f"{len(file.readlines()) - 1} of {sol.ledger.rows} records in the file")
plain = run([], t_end=sol.state.t)
print("the same bits without callbacks:", bool((plain.ensemble.x == sol.ensemble.x).all()))

figure, axis = plt.subplots(figsize=(6, 3.5), layout="constrained")
axis.plot(sol.ledger["t"], sol.ledger["term:NetworkRisk"], label="training")
axis.plot(sol.ledger["t"], sol.ledger["test_loss"], label="test")
axis.set(title="Early stopping at the least test loss", xlabel="flow time t", ylabel="loss")
axis.legend(frameon=False)
plt.show()

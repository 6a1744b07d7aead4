"""What becomes of a signal on its way through a deep network, by the rule of its starting weights.

Rows of variance one go through fifty layers that have not learned anything. Where the rule does not
fit the activation, the variance of what units receive vanishes, or explodes, and so does that of
the gradient on its way back: nothing near the input can learn.

    python examples/starting_weights.py [FOLDER]

prints the variances at some depths and writes starting_weights.png into FOLDER, by default
results/.
"""

import os
import sys
import warnings
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from skmlp import MLPRegressor, Normal, VarianceScaling

QUICK = bool(os.environ.get("SKMLP_EXAMPLE_QUICK"))
DEPTH, WIDTH, ROWS = (10, 50, 100) if QUICK else (50, 200, 500)

# Activation, rule, and what it should do.
CASES = {
    "relu, He": ("relu", "he_normal"),
    "relu, Glorot": ("relu", "glorot_normal"),
    "relu, twice He": ("relu", VarianceScaling(4.0)),
    "tanh, Glorot": ("tanh", "glorot_uniform"),
    "tanh, all N(0, 0.01²)": ("tanh", Normal(0.01)),
    "selu, LeCun": ("selu", "lecun_normal"),
    "logistic, LISA": ("logistic", "lisa_sigmoid"),
}


def untrained(activation, rule):
    """A network that has its starting weights still: one step, of almost no length."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(ROWS, WIDTH))
    model = MLPRegressor(
        (WIDTH,) * DEPTH,
        activation=activation,
        initialization=rule,
        optimizer="sgd",
        learning_rate_init=1e-300,
        max_iter=1,
        batch_size=ROWS,
        random_state=0,
    )
    return model.fit(X, rng.normal(size=ROWS)), X


FUNCTIONS = {
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(float)),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "logistic": (
        lambda z: 1 / (1 + np.exp(-z)),
        lambda z: np.exp(-np.abs(z)) / (1 + np.exp(-np.abs(z))) ** 2,
    ),
    "selu": (
        lambda z: 1.0507009873554805 * np.where(z > 0, z, 1.6732632423543772 * np.expm1(z)),
        lambda z: 1.0507009873554805 * np.where(z > 0, 1, 1.6732632423543772 * np.exp(z)),
    ),
}


def variances(activation, rule):
    """Of what each hidden layer receives, and of the gradient there for a random one at the end."""
    model, h = untrained(activation, rule)
    function, derivative = FUNCTIONS[activation]
    received = []
    for weights, biases in zip(model.coefs_[:-1], model.intercepts_[:-1], strict=True):
        received.append(h @ weights + biases)
        h = function(received[-1])
    delta, gradients = np.random.default_rng(1).normal(size=h.shape), []
    for z, weights in zip(received[::-1], model.coefs_[-2::-1], strict=True):
        delta = delta * derivative(z)
        gradients.append(delta.var())
        delta = delta @ weights.T
    return [z.var() for z in received], gradients[::-1]


def draw(found, path):
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained", sharex=True)
    titles = ["forward: what units receive", "backward: the gradient there"]
    for ax, title, place in zip(axes, titles, (0, 1), strict=True):
        for name, both in found.items():
            ax.semilogy(range(1, DEPTH + 1), both[place], label=name)
        ax.set(xlabel="layer", ylabel="variance", title=title, ylim=(1e-30, 1e20))
    axes[1].legend(fontsize="small", loc="lower right")
    figure.savefig(path, dpi=150)


def main():
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "results")
    folder.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")  # nothing is to converge
    found = {name: variances(*case) for name, case in CASES.items()}
    shown = [0, DEPTH // 5 - 1, DEPTH - 1]
    print(
        "variance received at layer".ljust(28), *(f"{i + 1:>9}" for i in shown), "  backward at 1"
    )
    for name, (forward, backward) in found.items():
        print(name.ljust(28), *(f"{forward[i]:9.1e}" for i in shown), f" {backward[0]:13.1e}")
    draw(found, folder / "starting_weights.png")
    print(f"{folder / 'starting_weights.png'} has all layers.")


if __name__ == "__main__":
    main()

"""The same training five times: by hand, then with ever more of it left to a library.

A network with one hidden layer learns three rings, one inside the other, by gradient descent on
small batches. Its gradients are first written out, then autograd's; its layers are then torch.nn's,
its steps torch.optim's; at last all of it is an MLPClassifier. Weights start equal and batches come
in one order, so all five are the same network, to rounding.

    python examples/four_steps.py [FOLDER]

writes four_steps.png, the loss and the accuracy of each epoch, into FOLDER, by default results/.
"""

import os
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch

from skmlp import MLPClassifier

QUICK = bool(os.environ.get("SKMLP_EXAMPLE_QUICK"))
EPOCHS = 5 if QUICK else 60
HIDDEN, CLASSES, BATCH, RATE = 10, 3, 10, 0.1


def batches(X, T):
    return [(X[i : i + BATCH], T[i : i + BATCH]) for i in range(0, len(X), BATCH)]


def by_hand(X, T, W, V, epochs):
    """Forward, backward and update as formulas; yields the parameters after each epoch."""
    (W, b), (V, c) = (W.copy(), np.zeros(HIDDEN)), (V.copy(), np.zeros(CLASSES))
    for _ in range(epochs):
        for x, t in batches(X, T):
            h = np.tanh(x @ W + b)
            z = h @ V + c
            p = np.exp(z - z.max(1, keepdims=True))
            p /= p.sum(1, keepdims=True)
            # softmax and cross-entropy together: the gradient in z is p - t
            dz = (p - t) / len(x)
            dh = dz @ V.T * (1 - h**2)
            W -= RATE * x.T @ dh
            b -= RATE * dh.sum(0)
            V -= RATE * h.T @ dz
            c -= RATE * dz.sum(0)
        yield W, b, V, c


def by_autograd(X, T, W, V, epochs):
    """Only the forward pass is written; torch knows how to go back."""
    start = (W, np.zeros(HIDDEN), V, np.zeros(CLASSES))
    parameters = [torch.tensor(array, requires_grad=True) for array in start]
    W, b, V, c = parameters
    for _ in range(epochs):
        for x, t in batches(torch.tensor(X), torch.tensor(T)):
            z = torch.tanh(x @ W + b) @ V + c
            loss = (z.logsumexp(1) - (z * t).sum(1)).mean()
            loss.backward()
            with torch.no_grad():
                for parameter in parameters:
                    parameter -= RATE * parameter.grad
                    parameter.grad = None
        yield tuple(parameter.detach().numpy() for parameter in parameters)


def layers(W, V):
    """torch.nn's layers, with these weights (which torch keeps transposed)."""
    model = torch.nn.Sequential(
        torch.nn.Linear(2, HIDDEN), torch.nn.Tanh(), torch.nn.Linear(HIDDEN, CLASSES)
    ).double()
    with torch.no_grad():
        for layer, weights in ((model[0], W), (model[2], V)):
            layer.weight.copy_(torch.tensor(weights.T))
            layer.bias.zero_()
    return model


def arrays_of(model):
    return tuple(p.detach().numpy().T for p in model.parameters())


def by_layers(X, T, W, V, epochs):
    """Layers and loss are torch's, the step is ours."""
    model, loss_of = layers(W, V), torch.nn.CrossEntropyLoss()
    for _ in range(epochs):
        for x, t in batches(torch.tensor(X), torch.tensor(T)):
            model.zero_grad()
            loss_of(model(x), t).backward()
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter -= RATE * parameter.grad
        yield arrays_of(model)


def by_optimizer(X, T, W, V, epochs):
    """The step is an optimizer's."""
    model, loss_of = layers(W, V), torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    for _ in range(epochs):
        for x, t in batches(torch.tensor(X), torch.tensor(T)):
            optimizer.zero_grad()
            loss_of(model(x), t).backward()
            optimizer.step()
        yield arrays_of(model)


def by_estimator(X, T, W, V, epochs):
    """All of it is an estimator's."""
    starts = {W.shape: W, V.shape: V}
    model = MLPClassifier(
        (HIDDEN,),
        activation="tanh",
        initialization=lambda shape, rng: starts[shape],
        optimizer="sgd",
        momentum=0,
        learning_rate_init=RATE,
        batch_size=BATCH,
        alpha=0,
        shuffle=False,
    )
    for _ in range(epochs):
        model.partial_fit(X, T.argmax(1), classes=range(CLASSES))
        yield model.coefs_[0], model.intercepts_[0], model.coefs_[1], model.intercepts_[1]


STEPS = {
    "by hand": by_hand,
    "autograd": by_autograd,
    "torch.nn's layers": by_layers,
    "torch.optim's steps": by_optimizer,
    "MLPClassifier": by_estimator,
}


def rings(n, rng):
    """Rows on three noisy circles of radius 1, 2 and 3, and which it is."""
    y = rng.integers(CLASSES, size=n)
    angle, radius = rng.uniform(0, 2 * np.pi, n), y + 1 + 0.15 * rng.normal(size=n)
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]), y


def loss_and_accuracy(parameters, X, y):
    W, b, V, c = parameters
    z = np.tanh(X @ W + b) @ V + c
    losses = np.logaddexp.reduce(z, axis=1) - z[np.arange(len(y)), y]
    return losses.mean(), np.mean(z.argmax(1) == y)


def draw(curves, path):
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    for i, (name, curve) in enumerate(curves.items()):
        # equal curves lie on each other: the first is drawn widest
        style = {"linewidth": 2 * (len(curves) - i) - 1, "color": f"C{i}"}
        for ax, values in zip(axes, np.transpose(curve), strict=True):
            ax.plot(range(1, len(values) + 1), values, label=name, **style)
    axes[0].set(xlabel="epoch", ylabel="cross-entropy, test rows")
    axes[1].set(xlabel="epoch", ylabel="accuracy, test rows")
    axes[1].legend(loc="lower right")
    figure.savefig(path, dpi=150)


def main():
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "results")
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    (X, y), (X_test, y_test) = rings(600, rng), rings(600, rng)
    T = np.eye(CLASSES)[y]
    bounds = [np.sqrt(6 / (2 + HIDDEN)), np.sqrt(6 / (HIDDEN + CLASSES))]
    W = rng.uniform(-bounds[0], bounds[0], (2, HIDDEN))
    V = rng.uniform(-bounds[1], bounds[1], (HIDDEN, CLASSES))
    curves, last = {}, {}
    for name, step in STEPS.items():
        curves[name] = []
        for parameters in step(X, T, W, V, EPOCHS):
            curves[name].append(loss_and_accuracy(parameters, X_test, y_test))
        last[name] = parameters
        apart = max(
            np.abs(ours - theirs).max()
            for ours, theirs in zip(parameters, last["by hand"], strict=True)
        )
        loss, accuracy = curves[name][-1]
        print(f"{name:20} loss {loss:.4f}  accuracy {accuracy:.3f}  apart by {apart:.0e}")
    draw(curves, folder / "four_steps.png")
    print(f"{folder / 'four_steps.png'} has the curves.")


if __name__ == "__main__":
    main()

"""Optimizers as their papers write them, in NumPy, where torch has none to compare with.

Each has torch's interface: made of parameters with ``lr``, it steps by their gradients.
"""

from __future__ import annotations

import numpy as np
import torch


class Formula:
    """One optimizer; ``start`` and ``moved`` are of one array."""

    def __init__(self, parameters, lr, **settings):
        self.parameters, self.lr, self.settings = list(parameters), lr, settings
        self.t = 0
        self.states = [self.start(p.detach().numpy().copy()) for p in self.parameters]

    def step(self):
        self.t += 1
        for p, state in zip(self.parameters, self.states, strict=True):
            new = self.moved(p.detach().numpy(), p.grad.numpy(), state, **self.settings)
            with torch.no_grad():
                p.copy_(torch.from_numpy(new))


class Lion(Formula):
    """Chen et al. (2023), algorithm 2."""

    def start(self, w):
        return {"m": np.zeros_like(w)}

    def moved(self, w, g, state, beta_1=0.9, beta_2=0.999):
        c = beta_1 * state["m"] + (1 - beta_1) * g
        state["m"] = beta_2 * state["m"] + (1 - beta_2) * g
        return w - self.lr * np.sign(c)


class ScheduleFree(Formula):
    """Defazio et al. (2024), section 2: y = (1 - β) z + β x, and x the mean of all z."""

    def start(self, w):
        return {"z": [w], "v": np.zeros_like(w)}

    def direction(self, g, state):
        return g

    def moved(self, y, g, state, beta=0.9):
        state["z"].append(state["z"][-1] - self.lr * self.direction(g, state))
        state["x"] = np.mean(state["z"][1:], axis=0)
        return (1 - beta) * state["z"][-1] + beta * state["x"]


class ScheduleFreeAdam(ScheduleFree):
    """The same, by Adam's scale of the gradient."""

    def direction(self, g, state):
        state["v"] = 0.999 * state["v"] + 0.001 * g**2
        return g / (np.sqrt(state["v"] / (1 - 0.999**self.t)) + 1e-8)


class TorchsMuon:
    """torch.optim.Muon for matrices of hidden layers, (1, i, o), and Adam for the rest.

    torch's weights are (o, i), and its iteration is in bfloat16 unless ``exact``.
    """

    def __init__(self, parameters, lr, exact=True):
        n_hidden = len(parameters) // 2 - 1  # weights come first, then as many biases
        self.hidden, others = parameters[:n_hidden], parameters[n_hidden:]
        self.turned = [torch.nn.Parameter(p.detach()[0].T.clone()) for p in self.hidden]
        settings = {"lr": lr, "momentum": 0.9, "weight_decay": 0.0}
        self.muon = torch.optim.Muon(self.turned, adjust_lr_fn="match_rms_adamw", **settings)
        self.adam, self.exact = torch.optim.Adam(others, lr=lr), exact

    def step(self):
        for p, turned in zip(self.hidden, self.turned, strict=True):
            turned.grad = p.grad[0].T.clone()
        self.adam.step()
        rounding = torch.Tensor.bfloat16
        if self.exact:
            torch.Tensor.bfloat16 = torch.Tensor.clone
        try:
            self.muon.step()
        finally:
            torch.Tensor.bfloat16 = rounding
        with torch.no_grad():
            for p, turned in zip(self.hidden, self.turned, strict=True):
                p.copy_(turned.T[None])

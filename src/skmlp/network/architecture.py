"""What a network is made of, as plain data. Nothing here needs torch."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Kind(NamedTuple):
    """What training does with an array."""

    trained: bool = True
    penalized: bool = False  # also: decays
    start: float = 0.0


KINDS = {
    "weight": Kind(penalized=True),
    "projection": Kind(penalized=True),
    "bias": Kind(),
    "constant": Kind(trained=False),
    "scale": Kind(start=1.0),
    "shift": Kind(),
    "mean": Kind(trained=False),
    "variance": Kind(trained=False, start=1.0),
    "count": Kind(trained=False),
    "survival": Kind(trained=False, start=1.0),
}


class Slot(NamedTuple):
    """One array of a layer.

    Attributes
    ----------
    name : str
        ``"scales.0"``: unique in the network.
    shape : tuple of int
        Of one network: (fan_in, fan_out), or (width,).
    kind : str
        A key of `KINDS`.
    """

    name: str
    shape: tuple[int, ...]
    kind: str


class Architecture(NamedTuple):
    """A network's layers. Networks of one architecture can be a stack.

    Attributes
    ----------
    layer_sizes : tuple of int
        Widths from the input to the output, (d, hidden…, m).
    activations : tuple of str
        One key of `ACTIVATIONS` per hidden layer.
    negative_slope : float
        Slope of leaky_relu below zero.
    normalization : str or None
        A key of `NORMALIZATIONS`: what stands between each hidden layer's product and its
        activation.
    residual : int
        Layers of each residual block; 0 where there are none. See `depth.blocks_of`.
    fixup : bool
        Whether blocks have the scalars of Fixup in place of a normalization.
    """

    layer_sizes: tuple[int, ...]
    activations: tuple[str, ...]
    negative_slope: float = 0.01
    normalization: str | None = None
    residual: int = 0
    fixup: bool = False


class NetworkArrays(NamedTuple):
    """The arrays of one network.

    Attributes
    ----------
    coefs : list of ndarray of shape (fan_in, fan_out)
    intercepts : list of ndarray of shape (fan_out,)
    others : dict of str to ndarray
        All others (of layers that are not linear, and of skips), by the names of their slots.
    """

    coefs: list[np.ndarray]
    intercepts: list[np.ndarray]
    others: dict[str, np.ndarray]

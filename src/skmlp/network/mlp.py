"""K multilayer perceptrons of one shape, as tensors with a leading axis K."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from .activations import ACTIVATIONS, Activation
from .forward import dense_tensor, logits_in_parts
from .losses import LOSSES, Loss
from .products import layer_products


class Blocks:
    """The arrays of K networks in one piece of memory, layer after layer.

    ``flat`` holds all weights, then all biases. ``weights[l]`` is a view (K, fan_in, fan_out),
    ``biases[l]`` a view (K, 1, fan_out). One block per layer rather than one row per network:
    batched products write into a contiguous block several times faster, and whatever is equal
    for all networks is one operation over ``flat``. Parameters, gradients and optimizer
    directions share this form.
    """

    def __init__(self, n_networks: int, layer_sizes: Sequence[int], like: Tensor):
        self.layer_sizes = tuple(layer_sizes)
        shapes = list(pairwise(self.layer_sizes))
        n_weights = n_networks * sum(i * o for i, o in shapes)
        n_biases = n_networks * sum(o for _, o in shapes)
        self.flat = like.new_zeros(n_weights + n_biases)
        self.flat_weights = self.flat[:n_weights]
        self.weights = _views(self.flat_weights, [(n_networks, i, o) for i, o in shapes])
        self.biases = _views(self.flat[n_weights:], [(n_networks, 1, o) for _, o in shapes])

    @property
    def all(self) -> list[Tensor]:
        return [*self.weights, *self.biases]

    @property
    def n_networks(self) -> int:
        return self.weights[0].shape[0]

    def take(self, rows: Sequence[int]) -> Blocks:
        """A copy that keeps the networks ``rows``."""
        kept = Blocks(len(rows), self.layer_sizes, self.flat)
        index = torch.as_tensor(rows, device=self.flat.device)
        for new, old in zip(kept.all, self.all, strict=True):
            new.copy_(old.index_select(0, index))
        return kept

    def set_network(self, k: int, coefs: Sequence, intercepts: Sequence) -> None:
        for block, values in zip(self.all, [*coefs, *intercepts], strict=True):
            block[k] = dense_tensor(values, block.dtype, block.device)

    def network(self, k: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Weights (fan_in, fan_out) and biases (fan_out,) of network k, as new arrays."""
        coefs = [w[k].detach().cpu().numpy().copy() for w in self.weights]
        return coefs, [b[k, 0].detach().cpu().numpy().copy() for b in self.biases]


def per_network(values: np.ndarray, like: Tensor) -> Tensor:
    """One number per network as a tensor (K, 1, 1)."""
    return torch.as_tensor(values, dtype=like.dtype, device=like.device).view(-1, 1, 1)


def sum_per_network(blocks: Sequence[Tensor]) -> Tensor:
    """Sum of all entries of each network, shape (K,)."""
    return torch.stack([block.sum((1, 2)) for block in blocks]).sum(0)


def squares_per_network(blocks: Sequence[Tensor]) -> Tensor:
    """Sum of all squared entries of each network, shape (K,)."""
    if blocks[0].shape[0] == 1:
        return torch.stack([torch.dot(b.view(-1), b.view(-1)) for b in blocks]).sum(0, keepdim=True)
    rows = [block.view(block.shape[0], 1, -1) for block in blocks]
    # a product of each row with itself: no squares are stored
    return torch.cat([torch.bmm(row, row.mT) for row in rows], 2).sum((1, 2))


def _views(flat: Tensor, shapes: list[tuple[int, ...]]) -> list[Tensor]:
    sizes = [int(np.prod(shape)) for shape in shapes]
    return [part.view(shape) for part, shape in zip(flat.split(sizes), shapes, strict=True)]


class StackedMLP(torch.nn.Module):
    """K networks: x -> f(x W + b) -> … -> logits.

    Parameters
    ----------
    n_networks : int
        K.
    layer_sizes : sequence of int
        Widths from the input to the output, (d, hidden…, m).
    activations : sequence of str
        One key of `ACTIVATIONS` per hidden layer.
    loss : str
        A key of `LOSSES`.
    negative_slope : float
        Slope of leaky_relu below zero.

    Notes
    -----
    Gradients are derived by hand: for these layers they take four operations a layer, and a
    small network's step costs little more than the operations' overhead, which autograd doubles.
    """

    def __init__(
        self,
        n_networks: int,
        layer_sizes: Sequence[int],
        activations: Sequence[str],
        loss: str,
        *,
        negative_slope: float = 0.01,
        dtype: torch.dtype = torch.float32,
        device: str | torch.device = "cpu",
    ):
        super().__init__()
        self.activation_functions: list[Activation] = [ACTIVATIONS[name] for name in activations]
        self.loss: Loss = LOSSES[loss]
        self.negative_slope = negative_slope
        like = torch.empty(0, dtype=dtype, device=device)
        self.gradients = Blocks(n_networks, layer_sizes, like)
        self.set_blocks(Blocks(n_networks, layer_sizes, like))

    def set_blocks(self, blocks: Blocks) -> None:
        """Make ``blocks`` the parameters; gradients get the same number of networks."""
        self.blocks = blocks
        if self.gradients.n_networks != blocks.n_networks:
            self.gradients = Blocks(blocks.n_networks, blocks.layer_sizes, blocks.flat)
        # Registered layer by layer, so that state_dict, checkpoints and callbacks see usual names.
        self.weights = _parameters(blocks.weights, self.gradients.weights)
        self.biases = _parameters(blocks.biases, self.gradients.biases)
        self._transposed = [w.mT for w in blocks.weights]
        self._buffers_of: dict[int, _WorkSpace] = {}

    def forward(self, x: Tensor) -> Tensor:
        """Logits (K, B, m) of rows x, (K, B, d) or (B, d); dropout is off."""
        return self._logits(x, self.blocks)

    def logits(self, x: Tensor, networks: Sequence[int]) -> Tensor:
        """Logits (k, B, m) of k of the networks, in their order, for rows x (k, B, d)."""
        all_of_them = len(networks) == self.blocks.n_networks
        return self._logits(x, self.blocks if all_of_them else self.blocks.take(networks))

    def _logits(self, x: Tensor, blocks: Blocks) -> Tensor:
        h = x if x.dim() == 3 else x.expand(blocks.n_networks, *x.shape)
        last = len(blocks.weights) - 1
        for i, (w, b) in enumerate(zip(blocks.weights, blocks.biases, strict=True)):
            h = torch.bmm(h, w).add_(b)
            if i < last:
                h = self.activation_functions[i].forward(h, self.negative_slope)
        return h

    def logits_of(self, k: int, X) -> Tensor:
        """Logits (n, m) of network k alone, for rows (n, d)."""
        weights = [w[k] for w in self.blocks.weights]
        biases = [b[k, 0] for b in self.blocks.biases]
        return logits_in_parts(X, weights, biases, self.activation_functions, self.negative_slope)

    def compute_gradients(
        self,
        x: Tensor,
        targets: Tensor,
        scale: float | Tensor,
        masks: Sequence[Tensor | None] | None = None,
    ) -> Tensor:
        """Write Σ_rows scale · ∂loss/∂(W, b) into ``gradients``; return the logits.

        Parameters
        ----------
        x : Tensor of shape (K, B, d)
        targets : Tensor of shape (K, B, m)
        scale : float or Tensor of shape (K, B, 1)
            Weight of each row in the batch's loss; 0 for rows that only fill the batch up.
        masks : sequence of (Tensor of shape (K, B, width) or None), optional
            Dropout: what each hidden layer's output is multiplied by.

        Returns
        -------
        Tensor of shape (K, B, m)
        """
        space = self._work_space(x.shape[1])
        masks = masks or space.no_masks
        logits, inputs, saved = self._forward_saving(x, masks, space)
        delta = self.loss.delta(logits, targets).mul_(scale)
        self._backward(delta, inputs, saved, masks, space)
        return logits

    def _forward_saving(self, x, masks, space):
        blocks, slope = self.blocks, self.negative_slope
        inputs, saved, h = [x], [], x
        for i, activation in enumerate(self.activation_functions):
            # bmm and add_: baddbmm copies the biases into every row first, and takes 1.1 (K = 1)
            # to 4 times (K = 120, 2 to 10 units) as long
            forward = space.products[i].forward
            z = forward(h, blocks.weights[i], out=space.hidden[i]).add_(blocks.biases[i])
            h = activation.forward(z, slope)
            saved.append(h if activation.saves_output else z)
            if masks[i] is not None:
                h = h * masks[i]
            inputs.append(h)
        logits = space.products[-1].forward(h, blocks.weights[-1]).add_(blocks.biases[-1])
        return logits, inputs, saved

    def _backward(self, delta, inputs, saved, masks, space):
        gradients, slope = self.gradients, self.negative_slope
        for i in range(len(inputs) - 1, -1, -1):
            products = space.products[i]
            products.weight_gradient(inputs[i], delta, gradients.weights[i])
            if space.ones is not None:
                torch.bmm(space.ones, delta, out=gradients.biases[i])
            else:
                torch.sum(delta, 1, keepdim=True, out=gradients.biases[i])
            if i:
                delta = products.backward(delta, self._transposed[i], out=space.deltas[i - 1])
                if masks[i - 1] is not None:
                    delta.mul_(masks[i - 1])
                delta = self.activation_functions[i - 1].backward(delta, saved[i - 1], slope)

    def _work_space(self, n_rows: int) -> _WorkSpace:
        space = self._buffers_of.get(n_rows)
        if space is None:
            space = self._buffers_of[n_rows] = _WorkSpace(self.blocks, n_rows)
        return space


class _WorkSpace:
    """Memory and operations for the hidden layers of one batch size, used at every step."""

    def __init__(self, blocks: Blocks, n_rows: int):
        widths = blocks.layer_sizes[1:-1]
        shapes = [(blocks.n_networks, n_rows, width) for width in widths]
        self.hidden = [blocks.flat.new_empty(shape) for shape in shapes]
        # Going back, a layer's output has been used up when the delta of the layer before it is
        # computed, which may take its place: less memory to touch, more of it in the cache.
        self.deltas = [
            self.hidden[i + 1] if shape in shapes[i + 1 : i + 2] else blocks.flat.new_empty(shape)
            for i, shape in enumerate(shapes)
        ]
        self.no_masks = [None] * len(widths)
        self.products = [
            layer_products(blocks.n_networks, n_rows, fan_in, fan_out)
            for fan_in, fan_out in pairwise(blocks.layer_sizes)
        ]
        # Sums over rows: for one network a product with ones takes half as long as a sum; for
        # many small networks the sum is faster.
        self.ones = blocks.flat.new_ones(1, 1, n_rows) if blocks.n_networks == 1 else None


def _parameters(blocks: list[Tensor], gradients: list[Tensor]) -> torch.nn.ParameterList:
    parameters = [torch.nn.Parameter(block, requires_grad=False) for block in blocks]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
    return torch.nn.ParameterList(parameters)

"""K multilayer perceptrons of one shape, as tensors with a leading axis K."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from .activations import ACTIVATIONS
from .architecture import KINDS, Architecture, NetworkArrays, Slot
from .forward import forward, logits_in_parts
from .layers import PREDICTION, Step, layers_of, slots_of
from .loss_forms import Key, loss_of
from .losses import Loss
from .tensors import dense_tensor


class Blocks:
    """The arrays of K networks in one piece of memory, array after array.

    ``flat`` holds what is trained: all weights, those of skips too, then all biases, then the rest;
    ``statistics`` what is not. ``penalized`` are views of its weights. ``weights[l]`` is a view (K,
    fan_in, fan_out), ``biases[l]`` and other vectors are (K, 1, width). One block per array rather
    than one row per network: batched products write into a contiguous block several times faster,
    and whatever is equal for all networks is one operation over ``flat``. Parameters, gradients and
    optimizer directions share this form.
    """

    def __init__(self, n_networks: int, slots: Sequence[Slot], like: Tensor):
        self.n_networks, self.slots = n_networks, list(slots)
        trained = [slot for slot in slots if KINDS[slot.kind].trained]
        others = [slot for slot in slots if not KINDS[slot.kind].trained]
        self.flat = like.new_zeros(n_networks * _numbers_of(trained))
        self.statistics = like.new_zeros(n_networks * _numbers_of(others))
        self.arrays = _views(self.flat, trained, n_networks)
        self.all = list(self.arrays.values())
        self.arrays |= _views(self.statistics, others, n_networks)
        penalized = [slot for slot in trained if KINDS[slot.kind].penalized]
        self.flat_weights = self.flat[: n_networks * _numbers_of(penalized)]
        self.penalized = [self.arrays[slot.name] for slot in penalized]
        n_linear = sum(slot.kind == "weight" for slot in slots)
        self.weights = [self.arrays[f"weights.{i}"] for i in range(n_linear)]
        self.biases = [self.arrays[f"biases.{i}"] for i in range(n_linear)]

    def take(self, rows: Sequence[int]) -> Blocks:
        """A copy that keeps the networks ``rows``."""
        kept = Blocks(len(rows), self.slots, self.flat)
        index = torch.as_tensor(rows, device=self.flat.device)
        for name, new in kept.arrays.items():
            new.copy_(self.arrays[name].index_select(0, index))
        return kept

    def start(self) -> None:
        """What each array is before anything is drawn or learned."""
        for slot in self.slots:
            self.arrays[slot.name].fill_(KINDS[slot.kind].start)

    def set_network(
        self,
        k: int,
        coefs: Sequence,
        intercepts: Sequence,
        others: Mapping[str, np.ndarray] = MappingProxyType({}),
    ) -> None:
        blocks = [*self.weights, *self.biases, *(self.arrays[name] for name in others)]
        for block, values in zip(blocks, [*coefs, *intercepts, *others.values()], strict=True):
            block[k] = dense_tensor(values, block.dtype, block.device)

    def network(self, k: int) -> NetworkArrays:
        """Network k as new arrays."""
        arrays = {
            slot.name: self.arrays[slot.name][k].detach().cpu().numpy().reshape(slot.shape).copy()
            for slot in self.slots
        }
        coefs, intercepts = (
            [arrays.pop(f"{name}.{i}") for i in range(len(self.weights))]
            for name in ("weights", "biases")
        )
        return NetworkArrays(coefs, intercepts, arrays)


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


def _numbers_of(slots: Sequence[Slot]) -> int:
    return sum(prod(slot.shape) for slot in slots)


def _views(flat: Tensor, slots: Sequence[Slot], n_networks: int) -> dict[str, Tensor]:
    parts = flat.split([n_networks * prod(slot.shape) for slot in slots])
    shapes = [slot.shape if len(slot.shape) > 1 else (1, *slot.shape) for slot in slots]
    return {
        slot.name: part.view(n_networks, *shape)
        for slot, part, shape in zip(slots, parts, shapes, strict=True)
    }


class _ByPlace(torch.nn.Module):
    """Arrays of one kind, by the places of their layers."""

    def __getitem__(self, place: int) -> Tensor:
        return getattr(self, str(place))


class StackedMLP(torch.nn.Module):
    """K networks: x -> f(x W + b) -> … -> logits; or with residual blocks.

    Parameters
    ----------
    n_networks : int
        K.
    architecture : Architecture
    loss : str
        See `loss_forms`.
    options : sequence of (float or Tensor of shape (K, 1, 1))
        The loss' options.

    Attributes
    ----------
    loss : Loss
        With its options given.
    by_hand : bool
        Whether gradients are derived by hand, as they can be for a chain of linear layers and
        activations: they take four operations a layer, and a small network's step costs little
        more than the operations' overhead, which autograd multiplies by three
        (``python benchmarks/gradients.py``). Otherwise they are autograd's.
    survivors : sequence of (bool or Tensor of shape (K, 1, 1))
        Residual blocks that the next gradients go through: see `Step`. Empty: all.
    """

    def __init__(
        self,
        n_networks: int,
        architecture: Architecture,
        loss: Key,
        options: Sequence[float | Tensor] = (),
        *,
        dtype: torch.dtype = torch.float32,
        device: str | torch.device = "cpu",
    ):
        super().__init__()
        self.architecture = architecture
        self.layers = layers_of(architecture)
        self.loss: Loss = loss_of(loss).given(options)
        self.activation_functions = [ACTIVATIONS[name] for name in architecture.activations]
        self.negative_slope = architecture.negative_slope
        self.by_hand = derived_by_hand(architecture)
        self.survivors: Sequence[bool | Tensor] = ()
        slots, like = slots_of(self.layers), torch.empty(0, dtype=dtype, device=device)
        self.gradients = Blocks(n_networks, slots, like)
        blocks = Blocks(n_networks, slots, like)
        blocks.start()
        self.set_blocks(blocks)

    def set_blocks(self, blocks: Blocks) -> None:
        """Make ``blocks`` the parameters; gradients get the same number of networks."""
        self.blocks = blocks
        if self.gradients.n_networks != blocks.n_networks:
            self.gradients = Blocks(blocks.n_networks, blocks.slots, blocks.flat)
        self._register()
        self._transposed = [w.mT for w in blocks.weights]
        self._buffers_of: dict[int, _WorkSpace] = {}

    def _register(self) -> None:
        """Register all arrays, so that state_dict, checkpoints and callbacks see usual names."""
        self._leaves = dict(self.blocks.arrays)
        homes: dict[str, _ByPlace] = {}
        for slot in self.blocks.slots:
            kind, _, place = slot.name.partition(".")
            array, home = self.blocks.arrays[slot.name], homes.setdefault(kind, _ByPlace())
            if KINDS[slot.kind].trained:
                leaf = torch.nn.Parameter(array, requires_grad=not self.by_hand)
                leaf.grad = self.gradients.arrays[slot.name]
                self._leaves[slot.name] = leaf
                home.register_parameter(place, leaf)
            else:
                home.register_buffer(place, array)
        for kind, home in homes.items():
            self.add_module(kind, home)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (K, B, m) of rows x, (K, B, d) or (B, d), as the networks predict."""
        x = x if x.dim() == 3 else x.expand(self.blocks.n_networks, *x.shape)
        return forward(self.layers, self.blocks.arrays, x, PREDICTION)

    def logits(self, x: Tensor, networks: Sequence[int]) -> Tensor:
        """Logits (k, B, m) of k of the networks, in their order, for rows x (k, B, d)."""
        all_of_them = len(networks) == self.blocks.n_networks
        blocks = self.blocks if all_of_them else self.blocks.take(networks)
        return forward(self.layers, blocks.arrays, x, PREDICTION)

    def logits_of(self, k: int, X) -> Tensor:
        """Logits (n, m) of network k alone, for rows (n, d)."""
        arrays = {name: array[k : k + 1] for name, array in self.blocks.arrays.items()}
        return logits_in_parts(X, self.layers, arrays)

    def compute_gradients(
        self,
        x: Tensor,
        targets: Tensor,
        scale: float | Tensor,
        masks: Sequence[Tensor | None] | None = None,
        shifts: Sequence[Tensor | None] = (),
    ) -> Tensor:
        """Write Σ_rows scale · ∂loss/∂parameters into ``gradients``; return the logits.

        Parameters
        ----------
        x : Tensor of shape (K, B, d)
        targets : Tensor of shape (K, B, m)
        scale : float or Tensor of shape (K, B, 1)
            Weight of each row in the batch's loss; 0 for rows that only fill the batch up.
        masks : sequence of (Tensor of shape (K, B, width) or None), optional
            Dropout: what each hidden layer's output is multiplied by.
        shifts : sequence of (Tensor of shape (K, B, width) or None)
            Alpha dropout: what is then added to it.

        Returns
        -------
        Tensor of shape (K, B, m)
        """
        if not self.by_hand:
            step = Step(True, scale, masks or (), self.survivors, shifts=shifts)
            return self._gradients_by_autograd(x, targets, step)
        space = self._work_space(x.shape[1])
        masks = masks or space.no_masks
        logits, inputs, saved = self._forward_saving(x, masks, shifts, space)
        delta = self.loss.gradient(logits, targets).mul_(scale)
        self._backward(delta, inputs, saved, masks, space)
        return logits

    def _gradients_by_autograd(self, x: Tensor, targets: Tensor, step: Step) -> Tensor:
        self.gradients.flat.zero_()  # autograd adds to what is there
        with torch.enable_grad():
            logits = forward(self.layers, self._leaves, x, step)
        found = logits.detach()
        logits.backward(self.loss.gradient(found, targets).mul_(step.share))
        return found

    def _forward_saving(self, x, masks, shifts, space):
        blocks, slope = self.blocks, self.negative_slope
        inputs, saved, h = [x], [], x
        for i, activation in enumerate(self.activation_functions):
            # bmm and add_: baddbmm copies the biases into every row first, and takes 1.1 (K = 1)
            # to 4 times (K = 120, 2 to 10 units) as long
            z = torch.bmm(h, blocks.weights[i], out=space.hidden[i]).add_(blocks.biases[i])
            h = activation.forward(z, slope)
            saved.append(h if activation.saves_output else z)
            if masks[i] is not None:
                h = h * masks[i]
                if shifts and shifts[i] is not None:
                    h.add_(shifts[i])
            inputs.append(h)
        logits = torch.bmm(h, blocks.weights[-1]).add_(blocks.biases[-1])
        return logits, inputs, saved

    def _backward(self, delta, inputs, saved, masks, space):
        gradients, slope = self.gradients, self.negative_slope
        for i in range(len(inputs) - 1, -1, -1):
            torch.bmm(inputs[i].mT, delta, out=gradients.weights[i])
            if space.ones is not None:
                torch.bmm(space.ones, delta, out=gradients.biases[i])
            else:
                torch.sum(delta, 1, keepdim=True, out=gradients.biases[i])
            if i:
                delta = torch.bmm(delta, self._transposed[i], out=space.deltas[i - 1])
                if masks[i - 1] is not None:
                    delta.mul_(masks[i - 1])
                backward = self.activation_functions[i - 1].backward
                assert backward is not None
                delta = backward(delta, saved[i - 1], slope)

    def _work_space(self, n_rows: int) -> _WorkSpace:
        space = self._buffers_of.get(n_rows)
        if space is None:
            space = self._buffers_of[n_rows] = _WorkSpace(
                self.blocks, self.architecture.layer_sizes, n_rows
            )
        return space


class _WorkSpace:
    """Memory and operations for the hidden layers of one batch size, used at every step."""

    def __init__(self, blocks: Blocks, sizes: Sequence[int], n_rows: int):
        widths = sizes[1:-1]
        shapes = [(blocks.n_networks, n_rows, width) for width in widths]
        self.hidden = [blocks.flat.new_empty(shape) for shape in shapes]
        # Going back, a layer's output has been used up when the delta of the layer before it is
        # computed, which may take its place: less memory to touch, more of it in the cache.
        self.deltas = [
            self.hidden[i + 1] if shape in shapes[i + 1 : i + 2] else blocks.flat.new_empty(shape)
            for i, shape in enumerate(shapes)
        ]
        self.no_masks = [None] * len(widths)
        # Sums over rows: for one network a product with ones takes half as long as a sum; for
        # many small networks the sum is faster.
        self.ones = blocks.flat.new_ones(1, 1, n_rows) if blocks.n_networks == 1 else None


def derived_by_hand(architecture: Architecture) -> bool:
    """Whether a network's gradients are derived by hand."""
    activations = [ACTIVATIONS[name] for name in architecture.activations]
    chain = architecture.normalization is None and not architecture.residual
    return chain and all(a.backward for a in activations)

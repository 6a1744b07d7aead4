"""Which rows each network sees at each step, and where they come from.

Every network draws its own order; in a stack all networks take their steps together, and a
network whose epoch ends goes straight on to its next one, so that none ever waits.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from ..augmentation import Batch
from ..network.tensors import dense_tensor
from ..task import Rows
from .presentation import Presentation

# Rows are gathered for several steps at once, up to about this many bytes: one gather costs
# as much as a few small steps' worth of overhead, and beyond the cache it gains nothing. On an
# accelerator, whose work is waited for once a gather, all of an epoch's steps should fit.
_CHUNK_BYTES = 4 << 20
_CHUNK_BYTES_OF_ACCELERATOR = 256 << 20


class RowOrder:
    """One network's walk through its n rows in batches, shuffled anew every epoch."""

    def __init__(self, n_rows: int, batch_size: int, shuffle: bool, rng: np.random.Generator):
        self.n_rows, self.batch_size, self.rng = n_rows, batch_size, rng
        self.shuffle = shuffle
        self.n_batches = -(-n_rows // batch_size)
        self.start_epoch()

    def start_epoch(self) -> None:
        self.position = 0
        self.rows = self.rng.permutation(self.n_rows) if self.shuffle else np.arange(self.n_rows)

    def of_epochs(self, n: int) -> np.ndarray:
        """The rows of this epoch and of the n - 1 that follow; the last becomes this one."""
        if n == 1:
            return self.rows
        rows = np.empty((n, self.n_rows), self.rows.dtype)
        rows[0], rows[1:] = self.rows, np.arange(self.n_rows)
        if self.shuffle:  # as `start_epoch` would, one after the other, but without the interpreter
            self.rng.permuted(rows[1:], axis=1, out=rows[1:])
        self.position, self.rows = 0, rows[-1]
        return rows.ravel()

    @property
    def steps_left(self) -> int:
        return self.n_batches - self.position

    def take(self, n_steps: int) -> np.ndarray:
        """Row numbers of the next ``n_steps`` batches; the epoch's last batch may be short."""
        begin = self.position * self.batch_size
        self.position += n_steps
        return self.rows[begin : self.position * self.batch_size]


@dataclass
class Chunk:
    """Some steps' rows of K networks, side by side; every ``batch_size`` rows are one step.

    Attributes
    ----------
    rows : ndarray of shape (K, r)
        Row numbers in each network's own rows.
    X, targets : Tensor of shape (K, r, d) and (K, r, m)
    scale : Tensor of shape (K, r, 1), or None
        Each row's weight in its batch's mean; None where it is one over the batch's rows.
        Zero for rows that only fill a batch up to the width of the others.
    weight_sums : ndarray of shape (K, steps)
        Sum of the sample weights of each batch.
    n_rows : ndarray of shape (K, steps)
        Rows of each batch, without the filling.
    """

    rows: np.ndarray
    X: Tensor
    targets: Tensor
    scale: Tensor | None
    weight_sums: np.ndarray
    n_rows: np.ndarray
    batch_size: int

    @property
    def n_steps(self) -> int:
        return self.n_rows.shape[1]

    def batches(self) -> list[tuple[Tensor, Tensor, float | Tensor]]:
        """(x, targets, scale) of each step."""
        X, targets = (part.split(self.batch_size, 1) for part in (self.X, self.targets))
        if self.scale is None:
            scales: Sequence[float | Tensor] = [1.0 / x.shape[1] for x in X]
        else:
            scales = self.scale.split(self.batch_size, 1)
        return list(zip(X, targets, scales, strict=True))

    def rows_of_first(self, s: int) -> np.ndarray:
        """Row numbers of step s of the first network."""
        return self.rows[0, s * self.batch_size : (s + 1) * self.batch_size]

    def mean_losses(self, losses: Tensor) -> list[float]:
        """Per network, the sum over steps of batch rows times the batch's mean loss.

        Parameters
        ----------
        losses : Tensor of shape (K, r)
        """
        if self.scale is None:
            return losses.sum(1).tolist()
        rows = np.zeros(tuple(losses.shape))
        for k, lengths in enumerate(self.n_rows):
            rows[k, : lengths.sum()] = np.repeat(lengths, lengths)
        shares = torch.from_numpy(rows).to(losses) * self.scale.squeeze(2)
        return (losses * shares).sum(1).tolist()


class RowStore:
    """The rows of K networks on the device; equal arrays are kept once."""

    def __init__(self, rows: Sequence[Rows], dtype: torch.dtype, device: torch.device):
        self.dtype, self.device = dtype, device
        self.X, self._X_offsets = _unique_rows([r.X for r in rows], dtype, device)
        self.targets, self._target_offsets = _unique_rows([r.targets for r in rows], dtype, device)
        self.weights = [r.weights for r in rows]
        self.keep(range(len(rows)))

    def keep(self, networks: Sequence[int]) -> None:
        """Forget the networks that are not listed (their rows stay where they are)."""
        self._X_offsets = self._X_offsets[list(networks)]
        self._target_offsets = self._target_offsets[list(networks)]
        self.weights = [self.weights[k] for k in networks]

    def bytes_per_row(self) -> int:
        return len(self.weights) * self.X.shape[1] * self.dtype.itemsize

    def chunk(
        self,
        orders: Sequence[RowOrder],
        n_steps: int,
        presentations: Sequence[Presentation] = (),
    ) -> Chunk:
        """Take the next ``n_steps`` batches of every network, as they are shown to it."""
        taken = [order.take(n_steps) for order in orders]
        batch = orders[0].batch_size
        filled, counts = _side_by_side(taken)
        begins = np.arange(0, filled.shape[1], batch)
        lengths = np.clip(counts[:, None] - begins, 0, batch)
        X = self._gather(self.X, filled, self._X_offsets)
        targets = self._gather(self.targets, filled, self._target_offsets)
        weights = [
            None if w is None else w[rows] for w, rows in zip(self.weights, taken, strict=True)
        ]
        if any(each.active for each in presentations):
            X, targets, weights = self._shown(presentations, counts, X, targets, weights)
        scale, weight_sums = self._scale(weights, begins, filled.shape[1], lengths)
        return Chunk(
            rows=filled,
            X=X,
            targets=targets,
            scale=scale,
            weight_sums=weight_sums,
            n_rows=lengths,
            batch_size=batch,
        )

    def _shown(self, presentations, counts, X: Tensor, targets: Tensor, weights: list):
        """What networks are shown in place of rows, which are made on the CPU."""
        all_X, all_targets = (tensor.cpu().numpy() for tensor in (X, targets))
        for k, (each, n) in enumerate(zip(presentations, counts, strict=True)):
            if each.active:
                shown = each.shown(Batch(all_X[k, :n], all_targets[k, :n], weights[k]), n)
                all_X[k, :n], all_targets[k, :n], weights[k] = shown
        X, targets = (torch.from_numpy(a).to(self.device) for a in (all_X, all_targets))
        return X, targets, weights

    def _scale(self, weights: list, begins, width: int, lengths):
        counts = lengths.sum(1)
        if (counts == width).all() and all(w is None for w in weights):
            return None, lengths.astype(float)
        scale = np.zeros((len(weights), width))
        sums = np.empty(lengths.shape)
        for k, (n, given) in enumerate(zip(counts, weights, strict=True)):
            w = np.ones(n) if given is None else given
            sums[k] = np.add.reduceat(w, begins)
            scale[k, :n] = w / np.repeat(sums[k], lengths[k])
        tensor = torch.from_numpy(scale).to(self.device, self.dtype)
        return tensor.unsqueeze(2), sums

    def _gather(self, source, rows: np.ndarray, offsets: np.ndarray) -> Tensor:
        index = (rows + offsets[:, None]).ravel()
        if isinstance(source, Tensor):
            found = source.index_select(0, torch.from_numpy(index).to(self.device))
        else:
            found = dense_tensor(source[index], self.dtype, self.device)
        return found.view(*rows.shape, -1)


def _side_by_side(taken: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers (K, r), shorter ones filled up with row 0, and how many each network has."""
    counts = np.array([len(rows) for rows in taken])
    width = counts.max()
    if (counts == width).all():
        return np.stack(taken), counts
    filled = np.zeros((len(taken), width), dtype=np.intp)
    for row, rows in zip(filled, taken, strict=True):
        row[: len(rows)] = rows
    return filled, counts


def chunk_steps(store: RowStore, batch_size: int) -> int:
    """How many steps' rows to gather at once."""
    most = _CHUNK_BYTES if store.device.type == "cpu" else _CHUNK_BYTES_OF_ACCELERATOR
    return max(1, most // max(1, store.bytes_per_row() * batch_size))


def _unique_rows(arrays: list, dtype, device):
    """All different arrays in one, and where each network's rows begin in it."""
    unique, places = distinct(arrays)
    begins = np.cumsum([0, *(a.shape[0] for a in unique)])
    offsets = begins[places]
    if any(scipy.sparse.issparse(a) for a in unique):
        return scipy.sparse.vstack(unique, format="csr"), offsets
    tensors = [dense_tensor(a, dtype, device) for a in unique]
    return (tensors[0] if len(tensors) == 1 else torch.cat(tensors)), offsets


def distinct(arrays: Sequence) -> tuple[list, list[int]]:
    """The arrays that differ in content, and the place of each array among them.

    Every fit of a search makes its own copy of its fold: copies are equal, not the same.
    """
    unique: list = []
    place_of_id: dict[int, int] = {}
    places_of_sum: dict[tuple, list[int]] = defaultdict(list)
    for array in arrays:
        if id(array) in place_of_id:
            continue
        candidates = places_of_sum[_checksum(array)] if len(arrays) > 1 else []
        place = next((i for i in candidates if _equal(unique[i], array)), len(unique))
        if place == len(unique):
            unique.append(array)
            candidates.append(place)
        place_of_id[id(array)] = place
    return unique, [place_of_id[id(array)] for array in arrays]


def _checksum(array) -> tuple:
    sums = [zlib.crc32(np.ascontiguousarray(part).data) for part in _parts(array)]
    return type(array), array.shape, array.dtype, *sums


def _equal(one, other) -> bool:
    """Whether arrays of equal checksum and shape are equal (they nearly always are)."""
    pairs = zip(_parts(one), _parts(other), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def _parts(array) -> tuple[np.ndarray, ...]:
    return (array.data, array.indices, array.indptr) if scipy.sparse.issparse(array) else (array,)

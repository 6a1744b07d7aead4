from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
import torch
from helpers import random_rows

from skmlp.task import Rows
from skmlp.training import batches
from skmlp.training.batches import RowOrder, RowStore, chunk_steps

CPU = torch.device("cpu")


def order(n=10, batch_size=4, shuffle=True, seed=0):
    return RowOrder(n, batch_size, shuffle, np.random.default_rng(seed))


def test_every_epoch_has_every_row_once_in_a_new_order():
    rows = order(n=101, batch_size=8)
    first = np.concatenate([rows.take(5), rows.take(8)])
    assert rows.steps_left == 0
    rows.start_epoch()
    second = rows.take(13)
    assert sorted(first) == sorted(second) == list(range(101))
    assert not np.array_equal(first, second)


def test_without_shuffling_rows_stay_in_order():
    rows = order(shuffle=False)
    assert [list(rows.take(1)) for _ in range(3)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("n", [1, 2, 101])
def test_epochs_taken_at_once_are_those_taken_one_by_one(n, shuffle):
    at_once, one_by_one = order(n=n, shuffle=shuffle), order(n=n, shuffle=shuffle)
    for n_epochs in (1, 5, 2):
        expected = []
        for _ in range(n_epochs):
            expected.append(one_by_one.rows)
            one_by_one.start_epoch()
        np.testing.assert_array_equal(at_once.of_epochs(n_epochs), np.concatenate(expected))
        np.testing.assert_array_equal(at_once.rows, expected[-1])
        at_once.start_epoch()
    assert at_once.rng.bit_generator.state == one_by_one.rng.bit_generator.state


def test_chunk_of_equal_networks_needs_no_scale():
    data = random_rows(n=10)
    store = RowStore([data, data], torch.float64, CPU)
    chunk = store.chunk([order(seed=1), order(seed=2)], 3)
    assert chunk.scale is None
    assert [x.shape[1] for x, _, _ in chunk.batches()] == [4, 4, 2]
    assert [scale for _, _, scale in chunk.batches()] == [1 / 4, 1 / 4, 1 / 2]
    np.testing.assert_array_equal(chunk.X[1].numpy(), data.X[order(seed=2).take(3)])
    np.testing.assert_array_equal(chunk.targets[0].numpy(), data.targets[order(seed=1).take(3)])


def test_a_step_knows_the_rows_of_the_first_network():
    data, walk = random_rows(n=10), order(seed=1)
    chunk = RowStore([data, data], torch.float64, CPU).chunk([walk, order(seed=2)], 3)
    assert chunk.n_steps == 3
    for s, expected in enumerate(np.split(order(seed=1).take(3), [4, 8])):
        np.testing.assert_array_equal(chunk.rows_of_first(s), expected)


def test_networks_of_different_sizes_are_filled_up_with_rows_of_no_weight():
    small, large = random_rows(n=6), random_rows(n=9, seed=1)
    store = RowStore([small, large], torch.float64, CPU)
    chunk = store.chunk([order(n=6), order(n=9)], 2)
    assert chunk.X.shape[:2] == (2, 8)
    np.testing.assert_array_equal(chunk.n_rows, [[4, 2], [4, 4]])
    np.testing.assert_allclose(
        chunk.scale[:, :, 0].numpy(), [[1 / 4] * 4 + [1 / 2] * 2 + [0] * 2, [1 / 4] * 8]
    )


def test_weights_become_shares_of_their_batch():
    data = random_rows(n=5)
    data.weights = np.array([1.0, 3.0, 2.0, 2.0, 5.0])
    chunk = RowStore([data], torch.float64, CPU).chunk([order(5, 2, shuffle=False)], 3)
    np.testing.assert_allclose(chunk.scale[0, :, 0].numpy(), [0.25, 0.75, 0.5, 0.5, 1.0])
    np.testing.assert_allclose(chunk.weight_sums, [[4.0, 4.0, 5.0]])


@pytest.mark.parametrize("weighted", [False, True])
def test_mean_losses_add_up_batch_rows_times_mean(weighted):
    rng = np.random.default_rng(0)
    sizes, losses = [7, 9], rng.uniform(size=(2, 8))
    data = [random_rows(n=n, seed=n) for n in sizes]
    if weighted:
        for rows in data:
            rows.weights = rng.uniform(0.5, 2, len(rows))
    chunk = RowStore(data, torch.float64, CPU).chunk([order(n) for n in sizes], 2)
    expected = []
    for k in range(2):
        total = 0.0
        for s, n in enumerate(chunk.n_rows[k]):
            part = slice(4 * s, 4 * s + n)
            w = (
                np.ones(n)
                if data[k].weights is None
                else data[k].weights[order(sizes[k]).take(2)[part]]
            )
            total += n * np.average(losses[k, part], weights=w)
        expected.append(total)
    np.testing.assert_allclose(chunk.mean_losses(torch.from_numpy(losses)), expected)


def test_sparse_rows_are_the_dense_rows():
    data = random_rows(n=10)
    sparse = Rows(scipy.sparse.csr_matrix(data.X), data.targets)
    chunks = [RowStore([r], torch.float64, CPU).chunk([order()], 2) for r in (data, sparse)]
    assert torch.equal(chunks[0].X, chunks[1].X)


def test_shared_arrays_are_stored_once():
    data, other = random_rows(n=10), random_rows(n=12)
    store = RowStore([data, other, data], torch.float64, CPU)
    assert store.X.shape[0] == 22
    store.keep([2, 1])
    chunk = store.chunk([order(10), order(12)], 1)
    np.testing.assert_array_equal(chunk.X[0].numpy(), data.X[order(10).take(1)])
    np.testing.assert_array_equal(chunk.X[1].numpy(), other.X[order(12).take(1)])


@pytest.mark.parametrize("as_rows", [np.asarray, scipy.sparse.csr_matrix])
def test_equal_arrays_are_stored_once(as_rows):
    data, other = random_rows(n=10), random_rows(n=10)
    other.X = other.X.copy()
    other.X[3, 0] += 1
    arrays = [as_rows(X) for X in (data.X, other.X, data.X.copy(), other.X.copy())]
    assert batches.distinct(arrays[::2])[1] == [0, 0]
    unique, places = batches.distinct(arrays)
    assert places == [0, 1, 0, 1]
    assert unique[0] is arrays[0]
    assert unique[1] is arrays[1]


def test_equal_bytes_of_another_shape_or_dtype_are_not_equal():
    zeros = np.zeros((4, 2))
    arrays = [zeros, zeros.reshape(2, 4), zeros.astype(np.float32), zeros.view(np.int64)]
    assert batches.distinct(arrays)[1] == [0, 1, 2, 3]


def test_a_checksum_alone_does_not_make_arrays_equal(monkeypatch):
    monkeypatch.setattr(batches, "_checksum", lambda array: 0)
    assert batches.distinct([np.zeros(3), np.ones(3), np.zeros(3)])[1] == [0, 1, 0]


def test_chunks_are_bounded_in_bytes_but_never_empty(monkeypatch):
    store = RowStore([random_rows(n=100, d=5)], torch.float64, CPU)
    monkeypatch.setattr(batches, "_CHUNK_BYTES", 5 * 8 * 16 * 3)
    assert chunk_steps(store, 16) == 3
    monkeypatch.setattr(batches, "_CHUNK_BYTES", 1)
    assert chunk_steps(store, 16) == 1


@pytest.mark.parametrize(("dtype", "n_steps"), [(torch.float64, 6), (torch.float32, 12)])
def test_bytes_are_those_of_the_rows_of_all_networks(monkeypatch, dtype, n_steps):
    rows = [random_rows(n=100, d=5, seed=k) for k in range(3)]
    store = RowStore(rows, dtype, CPU)
    assert store.bytes_per_row() == 3 * 5 * dtype.itemsize
    monkeypatch.setattr(batches, "_CHUNK_BYTES", 6 * 3 * 5 * 8 * 16)
    assert chunk_steps(store, 16) == n_steps
    store.keep([1])
    assert chunk_steps(store, 16) == 3 * n_steps


def test_tables_without_columns_have_chunks_too():
    store = RowStore([Rows(np.empty((4, 0)), np.ones((4, 1)))], torch.float64, CPU)
    assert chunk_steps(store, 2) >= 1
    assert store.chunk([order(4, 2)], 2).X.shape == (1, 4, 0)


def test_chunks_are_larger_on_an_accelerator():
    store = RowStore([random_rows(n=100, d=5)], torch.float64, CPU)
    on_cpu = chunk_steps(store, 16)
    store.device = torch.device("cuda")
    assert chunk_steps(store, 16) == pytest.approx(64 * on_cpu, rel=0.01)

from __future__ import annotations

import functools
import threading

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skmlp import MLPClassifier
from skmlp.fusion.engines.packing import LARGE_BYTES, Stock, is_large_array, pack, unpack


def large(seed=0):
    return np.random.default_rng(seed).normal(size=(LARGE_BYTES // 8, 1))


def test_small_things_need_no_stock():
    stock = Stock()
    packed = pack({"a": np.arange(3), "b": [1, "two"]}, stock)
    assert not packed.tokens
    assert not stock.arrays
    unpacked = unpack(packed.data, {})
    assert unpacked["a"].flags.writeable
    assert unpacked["b"] == [1, "two"]


def test_a_large_array_is_stored_once_however_often_it_occurs():
    stock, X = Stock(), large()
    first = pack([X, X, X.copy()], stock)
    second = pack({"again": X.copy(), "other": X + 1}, stock)
    assert len(first.tokens) == 1
    assert len(second.tokens) == 2
    assert set(stock.arrays) == {*first.tokens, *second.tokens}
    assert len(first.data) + len(second.data) < 2000
    a, b, c = unpack(first.data, stock.arrays)
    assert a is b is c
    np.testing.assert_array_equal(a, X)


def test_unpacked_large_arrays_are_read_only_and_the_originals_are_not():
    stock, X = Stock(), large()
    packed = pack(X, stock)
    with pytest.raises(ValueError, match="read-only"):
        unpack(packed.data, stock.arrays)[0] = 0
    X[0] = 1.0
    assert X[0] == 1.0


@pytest.mark.parametrize(
    "make",
    [
        lambda X: np.asfortranarray(X.reshape(-1, 5)),
        lambda X: np.repeat(X, 2, axis=1)[:, ::2],
        lambda X: X.astype("float32").repeat(3, axis=1),
        lambda X: X.view("datetime64[ns]"),
    ],
)
def test_values_dtype_and_order_are_kept(make):
    X, stock = make(large()), Stock()
    unpacked = unpack(pack(X, stock).data, stock.arrays)
    np.testing.assert_array_equal(unpacked, X)
    assert unpacked.dtype == X.dtype
    assert unpacked.flags.f_contiguous == X.flags.f_contiguous


def test_equal_bytes_of_another_dtype_or_shape_are_another_array():
    X, stock = large(), Stock()
    packed = pack([X, X.view("int64"), X.reshape(-1, 2)], stock)
    assert len(packed.tokens) == 3


def test_arrays_inside_frames_and_sparse_matrices_are_found():
    X, stock = large(), Stock()
    frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 0] * 2})
    matrix = sparse.csr_array(X.repeat(3, axis=1))
    packed = pack((frame, frame.copy(), matrix), stock)
    assert len(packed.data) < LARGE_BYTES  # what is left are the matrix's row pointers
    assert len(packed.tokens) >= 3  # the frame's block or columns, the matrix's values and columns
    again, copy, unpacked = unpack(packed.data, stock.arrays)
    pd.testing.assert_frame_equal(again, frame)
    pd.testing.assert_frame_equal(copy, frame)
    np.testing.assert_array_equal(unpacked.toarray(), matrix.toarray())


def test_memory_mapped_files_are_sent_as_their_content(tmp_path):
    np.save(tmp_path / "X.npy", large())
    X, stock = np.load(tmp_path / "X.npy", mmap_mode="r"), Stock()
    packed = pack(X, stock)
    assert len(packed.tokens) == 1
    np.testing.assert_array_equal(unpack(packed.data, stock.arrays), X)


def test_arrays_of_objects_are_packed_with_the_rest():
    words = np.array(["a word"] * LARGE_BYTES, dtype=object)
    assert not is_large_array(words)
    packed = pack(words, Stock())
    assert not packed.tokens
    assert (unpack(packed.data, {}) == words).all()


def test_local_classes_and_lambdas_are_packed_by_value():
    class Local:
        value = 3

    packed = pack((Local(), lambda x: x + 1), Stock())
    local, function = unpack(packed.data, {})
    assert local.value == function(2) == 3


def test_a_lock_is_refused():
    with pytest.raises(TypeError, match="lock"):
        pack(threading.Lock(), Stock())


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (MLPClassifier(device="cuda:1"), True),
        (make_pipeline(StandardScaler(), MLPClassifier(device="auto")), True),
        (GridSearchCV(MLPClassifier(device="cuda"), {}), True),
        (MLPClassifier(), False),
        (make_pipeline(StandardScaler(), SVC()), False),
    ],
)
def test_estimators_that_train_on_a_gpu_are_noticed(model, expected):
    assert pack([functools.partial(model.fit, [[1.0]], [0])], Stock()).on_gpu is expected

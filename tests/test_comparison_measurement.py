import ctypes
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil
import pytest

from skmlp.comparison import measurement
from skmlp.comparison.measurement import (
    KernelPeak,
    NoPeak,
    SampledPeak,
    how_peaks_are_measured,
    measure,
    predict_seconds,
)

MB = 1 << 20
# Each core counts up to 256 kB of pages before the kernel adds them up.
OFF = 1


def sampled():
    return SampledPeak(measurement.resident_memory())


METERS = {"kernel": KernelPeak, "sampled": sampled}


@pytest.fixture(params=METERS)
def meter(request, monkeypatch):
    if request.param == "kernel" and not KernelPeak.works():
        pytest.skip("this system keeps no high-water mark that can be reset")
    monkeypatch.setattr(measurement, "_peak_meter", METERS[request.param])
    return request.param


def hold(megabytes, seconds=0.2):
    """Allocate memory and write to all of it; then wait, so that a sampler can see it."""
    planted = np.ones(megabytes * MB // 8)
    time.sleep(seconds)
    return planted


def test_a_planted_sleep_is_timed():
    with measure() as measured:
        time.sleep(0.05)
    assert 0.05 <= measured.seconds < 0.5


@pytest.mark.parametrize("megabytes", [16, 64])
def test_a_planted_allocation_is_seen_even_when_it_is_freed_again(meter, megabytes):
    with measure() as measured:
        hold(megabytes)
    assert megabytes - OFF <= measured.peak_bytes / MB < megabytes + 4


def test_what_was_allocated_before_does_not_count(meter):
    before = hold(64)
    with measure() as measured:
        hold(16)
    assert before is not None
    assert 16 - OFF <= measured.peak_bytes / MB < 20


def peak_of_small_blocks():
    """Twice as much, so that what the first time leaves would do for the second."""
    with measure():
        [np.ones(10_000) for _ in range(400)]
    with measure() as measured:
        blocks = [np.ones(10_000) for _ in range(400)]
        time.sleep(0.02)
    return measured.peak_bytes / sum(block.nbytes for block in blocks)


def in_a_thread():
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(peak_of_small_blocks).result()


def behind_something_else():
    """The first heap cannot shrink where anything else has grown behind it."""
    libc = ctypes.CDLL(None)
    libc.sbrk.restype, libc.sbrk.argtypes = ctypes.c_void_p, [ctypes.c_ssize_t]
    large = np.ones(3_000_000)
    del large  # from now on, the C library keeps more of what is freed
    [np.ones(10_000) for _ in range(400)]
    libc.sbrk(4096)
    return peak_of_small_blocks()


@pytest.mark.parametrize("where", [peak_of_small_blocks, in_a_thread, behind_something_else])
def test_memory_that_was_freed_before_is_not_reused_unseen(meter, where):
    """Small blocks stay with the C library when they are freed, unless it is told otherwise."""
    assert 0.9 <= where() < 1.1


def test_a_peak_between_two_small_ends_is_seen(meter):
    with measure() as measured:
        hold(4)
        hold(32)
        hold(4)
    assert 32 - OFF <= measured.peak_bytes / MB < 40


def test_the_measurement_ends_when_the_block_fails():
    with pytest.raises(ValueError, match="no luck"), measure() as measured:  # noqa: PT012
        time.sleep(0.01)
        raise ValueError("no luck")
    assert measured.seconds >= 0.01


def test_without_a_way_to_measure_the_peak_is_nan(monkeypatch):
    monkeypatch.setattr(measurement, "_kernel_peak_works", lambda: False)
    monkeypatch.setattr(measurement, "resident_memory", lambda: None)
    with measure() as measured:
        hold(1)
    assert np.isnan(measured.peak_bytes)
    assert "psutil" in how_peaks_are_measured()
    assert isinstance(measurement._peak_meter(), NoPeak)


def test_the_sampler_is_next_in_line(monkeypatch):
    monkeypatch.setattr(measurement, "_kernel_peak_works", lambda: False)
    assert isinstance(measurement._peak_meter(), SampledPeak)


def test_the_resident_memory_is_the_systems():
    read = measurement.resident_memory()
    assert read() == pytest.approx(psutil.Process().memory_info().rss, rel=0.05)


class Slow:
    """Takes a planted time for each call, and counts the rows."""

    def __init__(self):
        self.rows = []

    def predict(self, X):
        self.rows.append(len(X))
        time.sleep(0.02)


def test_predictions_are_timed_for_a_thousand_rows():
    model = Slow()
    seconds = predict_seconds(model, np.zeros((7, 2)))
    assert set(model.rows) == {1000}
    assert 0.02 <= seconds < 0.2

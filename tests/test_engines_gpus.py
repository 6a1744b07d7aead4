from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import torch

from skmlp.fusion.engines.gpus import gpu_of, n_gpus_here, own_gpu


@pytest.mark.parametrize("n_gpus", [2, 3, 8])
def test_workers_of_a_machine_share_its_gpus_evenly(n_gpus):
    counts = np.bincount([gpu_of(rank, n_gpus) for rank in range(2 * n_gpus)])
    assert counts.tolist() == [2] * n_gpus


@pytest.mark.parametrize("n_gpus", [0, 1])
def test_there_is_nothing_to_choose_from_one(n_gpus):
    assert gpu_of(3, n_gpus) is None


def test_the_workers_gpu_is_the_threads_current_one(monkeypatch):
    chosen = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(torch.cuda, "device", lambda i: chosen.append(i) or nullcontext())
    assert n_gpus_here() == 4
    with own_gpu(6):
        assert chosen == [2]

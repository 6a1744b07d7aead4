"""Optimizers that torch has not; `test_stack_optimizer` compares their steps with formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers import blocks_of
from optimizer_formulas import TorchsMuon

from skmlp.task import OptimizerSettings
from skmlp.training.stack_optimizer import StackOptimizer
from skmlp.training.torch_optimizers import Lion, orthogonalized


@pytest.mark.parametrize("shape", [(6, 6), (4, 9), (9, 4), (1, 5), (5, 1), (3, 4, 7)])
def test_orthogonalized_matrices_have_singular_values_near_one(shape):
    matrices = torch.from_numpy(np.random.default_rng(0).normal(size=shape))
    U, S, Vt = np.linalg.svd(matrices.numpy(), full_matrices=False)
    found = orthogonalized(matrices).numpy()
    # in the basis of the singular vectors it is diagonal
    inner = np.swapaxes(U, -1, -2) @ found @ np.swapaxes(Vt, -1, -2)
    diagonal = np.diagonal(inner, axis1=-2, axis2=-1)
    off = inner - diagonal[..., None] * np.eye(inner.shape[-1])
    assert np.abs(off).max() < 1e-10
    shares = S / np.linalg.norm(S, axis=-1, keepdims=True)
    assert ((diagonal > 0.6) & (diagonal < 1.25))[shares > 0.02].all()


def test_orthogonalized_zero_is_zero_and_the_size_does_not_matter():
    assert not orthogonalized(torch.zeros(3, 4)).any()
    matrix = torch.from_numpy(np.random.default_rng(0).normal(size=(3, 4)))
    torch.testing.assert_close(orthogonalized(1e5 * matrix), orthogonalized(matrix))


def test_muon_is_torchs_to_the_rounding_of_bfloat16():
    blocks, gradients = blocks_of(1, (6, 8, 5, 3)), blocks_of(1, (6, 8, 5, 3))
    rng = np.random.default_rng(0)
    for each in (blocks, gradients):
        each.flat.copy_(torch.from_numpy(rng.normal(size=each.flat.numel())))
    parameters = [torch.nn.Parameter(b.clone()) for b in blocks.all]
    before = blocks.flat.clone()
    ours = StackOptimizer([OptimizerSettings("muon")], [0.1], blocks, gradients)
    for p, gradient in zip(parameters, gradients.all, strict=True):
        p.grad = gradient.clone()
    ours.step(lambda: None)
    TorchsMuon(parameters, 0.1, exact=False).step()
    theirs = torch.cat([p.detach().reshape(-1) for p in parameters])
    moved = (theirs - before).abs().max()
    assert (blocks.flat - theirs).abs().max() < 0.05 * moved
    assert moved > 0.05


def test_entries_that_are_rounding_have_no_sign_for_lion():
    p = torch.nn.Parameter(torch.zeros(4, dtype=torch.float64))
    optimizer = Lion([p], lr=0.5, betas=(0.0, 0.9), eps=1e-8)
    p.grad = torch.tensor([1e-17, -1e-17, 1e-3, -1e-3], dtype=torch.float64)
    optimizer.step()
    assert p.tolist() == [0.0, 0.0, -0.5, 0.5]


def test_nan_comes_through_lion():
    p = torch.nn.Parameter(torch.zeros(2))
    optimizer = Lion([p], lr=0.5, betas=(0.9, 0.9), eps=1e-8)
    p.grad = torch.tensor([torch.nan, torch.inf])
    optimizer.step()
    assert torch.isnan(p[0])
    assert p[1] == -0.5

"""Products of a network's Hessian matrix with vectors, by torch."""

from __future__ import annotations

import torch
from torch import Tensor

from ..network.architecture import KINDS
from ..network.forward import forward
from ..network.layers import Step
from ..network.mlp import StackedMLP


def hessian_product(
    module: StackedMLP, x: Tensor, targets: Tensor, scale: Tensor, vector: Tensor
) -> Tensor:
    """H v, with H the second derivatives of Σ_rows scale · loss in a network's parameters.

    Exactly: the gradient g is differentiated once more, as ∂(g · v)/∂w (Pearlmutter 1994, "Fast
    exact multiplication by the Hessian"). At a kink of an activation H is that of one side.

    Parameters
    ----------
    module : StackedMLP
        Of one network, built outside of inference mode.
    x, targets, scale : Tensor of shape (1, B, d), (1, B, m) and (1, B, 1)
    vector : Tensor of shape (parameters,)
        In the order of ``module.blocks.flat``.

    Returns
    -------
    Tensor of shape (parameters,)
    """
    blocks = module.blocks
    trained = [slot.name for slot in blocks.slots if KINDS[slot.kind].trained]
    # What is saved for a derivative may be overwritten: losses and activations save memory so.
    with torch.enable_grad(), torch.autograd.graph.allow_mutation_on_saved_tensors():
        leaves = {name: blocks.arrays[name].clone().requires_grad_() for name in trained}
        z = forward(module.layers, {**blocks.arrays, **leaves}, x, Step(True, scale))
        parameters = list(leaves.values())
        by_logits = _gradient_in_logits(module, z, targets) * scale
        gradients = torch.autograd.grad(z, parameters, by_logits, create_graph=True)
        parts = vector.split([leaf.numel() for leaf in parameters])
        along = [part.view(leaf.shape) for part, leaf in zip(parts, parameters, strict=True)]
        found = torch.autograd.grad(gradients, parameters, along, materialize_grads=True)
    return torch.cat([product.reshape(-1) for product in found])


def _gradient_in_logits(module: StackedMLP, z: Tensor, targets: Tensor) -> Tensor:
    """As `Loss.gradient`, itself to be differentiated.

    Where the loss has a formula for it, that one: it is smooth where |z| in the loss is not.
    """
    if module.loss.delta is not None:
        return module.loss.delta(z, targets)
    total = module.loss.per_row(z, targets).sum()
    return torch.autograd.grad(total, z, create_graph=True)[0]

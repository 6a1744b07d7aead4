"""Products of a network's Hessian matrix with vectors, by torch."""

from __future__ import annotations

import torch
from torch import Tensor

from ..network.architecture import KINDS
from ..network.forward import forward
from ..network.layers import Step
from ..network.losses import Loss
from ..network.mlp import StackedMLP


def hessian_product(
    module: StackedMLP, x: Tensor, targets: Tensor, scale: Tensor, vector: Tensor
) -> Tensor:
    """H v, with H the second derivatives of Σ_rows scale · loss in a network's parameters.

    Exactly (Pearlmutter 1994, "Fast exact multiplication by the Hessian"). With z the logits, J
    their derivatives in the parameters, u the loss's gradient in z and C its second derivatives,
    H v = ∂(v · Jᵀu)/∂w + Jᵀ C J v, where the first part has u fixed, and J v = ∂(v · Jᵀu)/∂u. At a
    kink of an activation H is that of one side.

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
    with torch.enable_grad():
        leaves = {name: blocks.arrays[name].clone().requires_grad_() for name in trained}
        z = forward(module.layers, {**blocks.arrays, **leaves}, x, Step(True, scale))
        parameters, logits = list(leaves.values()), z.detach()
        u = module.loss.gradient(logits, targets).mul_(scale).requires_grad_()
        gradients = torch.autograd.grad(z, parameters, u, create_graph=True)
        parts = vector.split([leaf.numel() for leaf in parameters])
        along = [part.view(leaf.shape) for part, leaf in zip(parts, parameters, strict=True)]
        *bent, moved = torch.autograd.grad(
            gradients, [*parameters, u], along, retain_graph=True, materialize_grads=True
        )
        curved = _second_derivatives(module.loss, logits, targets, moved * scale)
        straight = torch.autograd.grad(z, parameters, curved)
    return torch.cat([(a + b).reshape(-1) for a, b in zip(bent, straight, strict=True)])


def _second_derivatives(loss: Loss, z: Tensor, targets: Tensor, vector: Tensor) -> Tensor:
    """The loss's second derivatives in z times a vector.

    Of its formula for the gradient, if there is one: that is smooth where |z| in the loss is not.
    """
    z = z.clone().requires_grad_()
    if loss.delta is None:
        gradient = torch.autograd.grad(loss.per_row(z, targets).sum(), z, create_graph=True)[0]
        return torch.autograd.grad(gradient, z, vector, materialize_grads=True)[0]
    # Formulas may overwrite what a derivative needs: they save memory so.
    with torch.autograd.graph.allow_mutation_on_saved_tensors():
        gradient = loss.delta(z, targets)
        if not gradient.requires_grad:  # of a loss of straight lines, which only a user's can be
            return torch.zeros_like(z)
        return torch.autograd.grad(gradient, z, vector)[0]

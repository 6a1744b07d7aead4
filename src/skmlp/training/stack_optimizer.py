"""Optimizers of a stack: torch.optim's own, over the stacked parameters.

A stack of one hands its parameters to the optimizer as one tensor, or array by array where steps
depend on whole matrices. K networks are groups of equal
settings; where learning rates are few, they are settings too. Where they are many, or the networks
small, the optimizer works with rate 1 on a zeroed *direction*, and the direction times each
network's rate is added to the parameters: nearly every update in the table is linear in the rate.
Those that are not take the rates as a tensor.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from copy import deepcopy
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..network.mlp import Blocks, per_network
from ..network.tensors import dense_tensor
from ..task import OptimizerSettings, needs_closure
from .optimizers import OPTIMIZERS, evaluates_elsewhere

# A group of its own costs an optimizer about as much as zeroing, reading and adding this many
# entries of a direction (17 µs against 0.35 ns an entry, on 2 cores).
_ENTRIES_PER_GROUP = 50_000


class OptimizerPerNetwork:
    """A user's optimizer for each network of a stack: one may look at all that it is given.

    Parameters
    ----------
    make : callable
        A torch.optim.Optimizer class, or a partial of one.
    groups : sequence of dict
        A parameter group for each network.
    """

    def __init__(self, make: Callable[..., torch.optim.Optimizer], groups: Sequence[dict]):
        self._optimizers = [make([group], lr=group["lr"]) for group in groups]
        self.state: dict[Tensor, dict[str, Any]] = defaultdict(dict)
        for optimizer in self._optimizers:
            self.state.update(optimizer.state)
            optimizer.state = self.state

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        return [optimizer.param_groups[0] for optimizer in self._optimizers]

    def step(self) -> None:
        for optimizer in self._optimizers:
            optimizer.step()


class StackOptimizer:
    """Steps for the parameters of K networks, each with its own learning rate.

    Parameters
    ----------
    settings : sequence of OptimizerSettings
        Of one family.
    rates : sequence of float
        Learning rates to start with.
    blocks, gradients : Blocks
        The parameters, and where their gradients are found at each step.
    cycles : sequence, optional
        What each network's momentum depends on besides its settings, or None where it stays as it
        is: where these are equal momenta are.
    by_rate : bool
        Whether networks of one rate keep one for long enough to be a group.

    Attributes
    ----------
    rates : ndarray of shape (K,)
        Current learning rates, without the factors of `start_chunk`. For K = 1 the truth is in the
        torch optimizer's param group, where learning-rate schedulers change it.
    """

    def __init__(
        self,
        settings: Sequence[OptimizerSettings],
        rates: Sequence[float],
        blocks: Blocks,
        gradients: Blocks,
        *,
        cycles: Sequence[Any] | None = None,
        by_rate: bool = True,
    ):
        self._group_by_rate = by_rate  # until a rate changes
        self._factors: list[list[float]] | None
        self._momenta: list[list[float]] | None
        self._cycles = list(cycles or [None] * len(rates))
        self.settings = list(settings)
        self._rates = np.array(rates, dtype=float)
        self.family = OPTIMIZERS.get(self.settings[0].family) if self.named else None
        self._build(blocks, gradients)

    @property
    def named(self) -> bool:
        return isinstance(self.settings[0].family, str)

    @property
    def rates(self) -> np.ndarray:
        if self.directions is None and not self._grouped_by_rate and not self._rates_as_tensors:
            self._rates[:] = [group["lr"] for group in self.torch_optimizer.param_groups]
        return self._rates

    def set_rate(self, k: int, rate: float, *, rescale: bool = True) -> None:
        """Give network k a new learning rate."""
        old = self.rates[k]
        if rate == old:
            return
        if self._grouped_by_rate:
            self._group_by_rate = False
            self.keep(range(len(self.settings)), self.blocks, self.gradients)
        if rescale:
            self._rescale_velocity(k, old / rate if rate else np.inf)
        self._rates[k] = rate
        if self._rates_as_tensors:
            self._set_group_rates(per_network(self._rates, self.blocks.flat))
        elif self.directions is None:
            self.torch_optimizer.param_groups[k]["lr"] = rate
        else:
            self._set_rate_tensor()

    def start_chunk(self, factors: list[list[float]], momenta: list[list[float]]) -> None:
        """Prepare the next steps.

        Parameters
        ----------
        factors : list of list of float
            For each step, what multiplies each network's rate.
        momenta : list of list of float
            For each step, each network's momentum or beta_1; NaN where it stays as it is.
        """
        self._factors, self._momenta = factors, momenta
        if self.directions is not None or self._rates_as_tensors:
            rates = np.asarray(factors) * self._rates
            self._rate_tensors = per_network(rates, self.blocks.flat).view(*rates.shape, 1, 1)

    def step(self, closure: Callable[[], Tensor], s: int = 0) -> None:
        """Move the parameters by their gradients, at step s of the chunk."""
        self._set_momenta(s)
        if self.directions is None:
            self._step_with_factors(closure, s)
            return
        self.directions.flat.zero_()
        self.torch_optimizer.step()
        rates = self._rate_tensor if self._factors is None else self._rate_tensors[s]
        for block, direction in zip(self.blocks.all, self.directions.all, strict=True):
            block.addcmul_(direction, rates)

    def _step_with_factors(self, closure: Callable[[], Tensor], s: int) -> None:
        if self._factors is None:
            self._torch_step(closure)
            return
        groups = self.torch_optimizer.param_groups
        if self._rates_as_tensors:
            self._set_group_rates(self._rate_tensors[s])
            self._torch_step(closure)
            return
        rates = [group["lr"] for group in groups]
        for group, rate, factor in zip(groups, rates, self._factors[s], strict=True):
            group["lr"] = rate * factor
        self._torch_step(closure)
        for group, rate in zip(groups, rates, strict=True):
            group["lr"] = rate  # where callbacks look, and what they change

    def _torch_step(self, closure: Callable[[], Tensor]) -> None:
        if self._needs_closure:
            self.torch_optimizer.step(closure)
        else:
            self.torch_optimizer.step()

    def _set_momenta(self, s: int) -> None:
        if self._momenta is None:
            return
        groups = self.torch_optimizer.param_groups
        for group, k in zip(groups, self._group_begins, strict=True):
            momentum = self._momenta[s][k]
            if np.isnan(momentum):
                continue
            if "betas" in group:
                group["betas"] = (momentum, group["betas"][1])
            else:
                group["momentum"] = momentum

    def decay(self, weight_decays: np.ndarray, s: int = 0) -> None:
        """Decoupled weight decay (Loshchilov & Hutter 2019): W ← (1 - rate·decay) W."""
        rates = self.rates if self._factors is None else self.rates * self._factors[s]
        factors = 1.0 - rates * weight_decays
        if (factors == factors[0]).all():
            self.blocks.flat_weights.mul_(float(factors[0]))
        else:
            column = per_network(factors, self.blocks.flat)
            for w in self.blocks.penalized:
                w.mul_(column)

    def keep(self, networks: Sequence[int], blocks: Blocks, gradients: Blocks) -> None:
        """Go on with some of the networks, whose parameters are now ``blocks``."""
        networks, rates = list(networks), self.rates[list(networks)]
        by_rows = self.named and len(networks) > 1
        states = [] if by_rows else [self.network_state(k) for k in networks]
        places, state = [self._places[k] for k in networks], self.torch_optimizer.state
        self.settings = [self.settings[k] for k in networks]
        self._cycles = [self._cycles[k] for k in networks]
        self._rates = rates.copy()
        self._build(blocks, gradients)
        if by_rows:
            self._take_states(places, state)
        for k, each in enumerate(states):
            self.set_network_state(k, each)

    def _take_states(self, old_places, old_state) -> None:
        """State of each parameter of several networks, from the rows where it was before."""
        rows_of: dict[torch.nn.Parameter, list] = defaultdict(list)
        for new, old in zip(self._places, old_places, strict=True):
            for (parameter, _), source in zip(new, old, strict=True):
                rows_of[parameter].append(source)
        for parameter, rows in rows_of.items():
            self.torch_optimizer.state[parameter] = _state_of_rows(rows, old_state)

    # A network's optimizer state is a list over blocks (weights, then biases) of dictionaries of
    # arrays without the axis K: the same in any stack, and what is pickled.

    def network_state(self, k: int) -> list[dict[str, Any]]:
        """State of network k, block by block."""
        states = []
        for index in range(len(self.blocks.all)):
            parameter, row = self._places[k][index]
            views = self._entries(parameter, index)
            states.append({key: _part(value, row) for key, value in views.items()})
        return states

    def set_network_state(self, k: int, states: list[dict[str, Any]]) -> None:
        for index, state in enumerate(states):
            parameter, row = self._places[k][index]
            for key, value in state.items():
                self._set_entry(parameter, index, key, row, value)

    def _build(self, blocks: Blocks, gradients: Blocks) -> None:
        self.blocks, self.gradients = blocks, gradients
        n = blocks.n_networks
        self.directions: Blocks | None = None
        self._factors = self._momenta = None  # until a chunk starts
        self._group_begins: Sequence[int] = range(n)
        self._grouped_by_rate = self._rates_as_tensors = False
        self._places: list[list[tuple[torch.nn.Parameter, int | None]]] = [[] for _ in range(n)]
        if not self.named:
            groups = [self._custom_group(k) for k in range(n)]
            make = self.settings[0].family
        elif n == 1:
            groups = self._groups_alone()
            make = self._named_maker()
        else:
            groups = self._setting_groups()
            make = self._named_maker()
        self.torch_optimizer: Any
        if self.named or n == 1:
            self.torch_optimizer = make(groups, lr=float(self._rates[0]) if n == 1 else 1.0)
        else:
            self.torch_optimizer = OptimizerPerNetwork(make, groups)
        self._needs_closure = needs_closure(self.settings[0].family)
        if self._rates_as_tensors:
            self._set_group_rates(per_network(self._rates, self.blocks.flat))

    def _named_maker(self):
        assert self.family is not None
        return self.family.make

    def _arguments(self, k: int) -> dict[str, Any]:
        """What the optimizer's class gets for network k, but for the rate."""
        assert self.family is not None
        arguments = self.family.arguments(self.settings[k])
        if self.family.by_array:
            arguments["n_hidden"] = len(self.blocks.weights) - 1
        return arguments

    def _groups_alone(self) -> list[dict[str, Any]]:
        assert self.family is not None
        arguments = {"lr": float(self._rates[0]), **self._arguments(0)}
        if self.family.by_array:
            return self._groups_of(self.blocks.all, self.gradients.all, [arguments])
        flat = _parameter(self.blocks.flat, self.gradients.flat)
        self._places[0] = [(flat, 0)] * len(self.blocks.all)
        return [{"params": [flat], **arguments}]

    def _custom_group(self, k: int) -> dict[str, Any]:
        """Parameters in their own shapes: some optimizers look at them."""
        pairs = zip(self.blocks.all, self.gradients.all, strict=True)
        parameters = [_parameter(b[k].squeeze(0), g[k].squeeze(0)) for b, g in pairs]
        self._places[k] = [(parameter, None) for parameter in parameters]
        return {"params": parameters, "lr": float(self._rates[k])}

    def _setting_groups(self) -> list[dict[str, Any]]:
        """A group per distinct setting, over the consecutive networks that share it."""
        assert self.family is not None
        if not self.family.is_linear:
            self._rates_as_tensors = True
            arguments = [self._arguments(k) for k in range(len(self.settings))]
            return self._groups_of(self.blocks.all, self.gradients.all, arguments)
        arguments = [
            {**self._arguments(k), "lr": float(rate), **({"cycle": cycle} if cycle else {})}
            for k, (rate, cycle) in enumerate(zip(self._rates, self._cycles, strict=True))
        ]
        starts = _starts(arguments)
        self._grouped_by_rate = self._group_by_rate and self._pays(starts)
        if self._grouped_by_rate:
            return self._groups_of(self.blocks.all, self.gradients.all, arguments)
        arguments = [{**each, "lr": 1.0} for each in arguments]
        self.directions = Blocks(self.blocks.n_networks, self.blocks.slots, self.blocks.flat)
        self._set_rate_tensor()
        return self._groups_of(self.directions.all, self.gradients.all, arguments)

    def _pays(self, starts: Sequence[int]) -> bool:
        return len(starts) * _ENTRIES_PER_GROUP < self.blocks.flat.numel()

    def _groups_of(
        self,
        blocks: Sequence[Tensor],
        gradients: Sequence[Tensor],
        arguments: Sequence[dict[str, Any]],
    ) -> list[dict[str, Any]]:
        """A group per run of networks with equal arguments, over their rows of some blocks."""
        starts, groups = _starts(arguments), []
        self._group_begins = starts
        for a, b in pairwise([*starts, len(arguments)]):
            pairs = zip(blocks, gradients, strict=True)
            parameters = [_parameter(block[a:b], gradient[a:b]) for block, gradient in pairs]
            for k in range(a, b):
                self._places[k] += [(parameter, k - a) for parameter in parameters]
            groups.append({"params": parameters, **arguments[a]})
        return groups

    def _set_group_rates(self, rates: Tensor) -> None:
        """Give each group its networks' rates (K, 1, 1)."""
        sizes = [len(group["params"][0]) for group in self.torch_optimizer.param_groups]
        parts = rates.split(sizes)
        for group, part in zip(self.torch_optimizer.param_groups, parts, strict=True):
            group["lr"] = part

    @property
    def evaluates_elsewhere(self) -> bool:
        """Whether networks are to be evaluated at weights that are not the parameters."""
        return evaluates_elsewhere(self.settings[0].family)

    def swap(self) -> None:
        """Put those weights where the parameters are, and the parameters where they were."""
        name = self.family.evaluated if self.family is not None else None
        if name is None:
            return
        for parameter, state in self.torch_optimizer.state.items():
            there = state[name]
            here = parameter.clone()
            parameter.copy_(there)
            there.copy_(here)

    def _set_rate_tensor(self) -> None:
        self._rate_tensor = per_network(self._rates, self.blocks.flat)

    def _entries(self, parameter: torch.nn.Parameter, index: int) -> dict[str, Any]:
        """State of one block; entries of the parameter's shape are seen in the block's shape."""
        state = self.torch_optimizer.state.get(parameter, {})
        if parameter.shape != self.blocks.flat.shape or not self.named:
            return dict(state)
        return {key: self._block_view(value, index) for key, value in state.items()}

    def _block_view(self, value: Any, index: int) -> Any:
        if not (isinstance(value, Tensor) and value.shape == self.blocks.flat.shape):
            return value
        begin = sum(block.numel() for block in self.blocks.all[:index])
        block = self.blocks.all[index]
        return value[begin : begin + block.numel()].view(block.shape)

    def _set_entry(self, parameter, index: int, key: str, row: int | None, value: Any) -> None:
        state = self.torch_optimizer.state[parameter]
        if not isinstance(value, np.ndarray):
            state[key] = value
        elif value.ndim == 0:
            on_device = getattr(self.torch_optimizer, "steps_on_device", False)
            device = parameter.device if on_device else "cpu"
            state[key] = torch.as_tensor(np.array(value), device=device)
        elif row is None:
            state[key] = dense_tensor(value, parameter.dtype, parameter.device)
        else:
            if key not in state:
                state[key] = torch.zeros_like(parameter)
            entry = self._entries(parameter, index)[key][row]
            entry.copy_(dense_tensor(value, entry.dtype, entry.device))

    def _rescale_velocity(self, k: int, factor: float) -> None:
        velocity = self.family.velocity if self.family is not None else None
        if velocity is None or not np.isfinite(factor):
            return
        for index in range(len(self.blocks.all)):
            parameter, row = self._places[k][index]
            entry = self._entries(parameter, index).get(velocity)
            if entry is not None:
                entry[row].mul_(factor)


def _state_of_rows(rows: Sequence[tuple[Tensor, int]], state) -> dict[str, Any]:
    """The entries of a parameter that is made of rows of others."""
    first, one_source = rows[0][0], len({id(parameter) for parameter, _ in rows}) == 1

    def taken(key: str, value: Any) -> Any:
        if not isinstance(value, Tensor) or not value.dim():
            return deepcopy(value)
        if not one_source:
            return torch.stack([state[parameter][key][row] for parameter, row in rows])
        index = torch.as_tensor([row for _, row in rows], device=value.device)
        return value.index_select(0, index)

    return {key: taken(key, value) for key, value in state.get(first, {}).items()}


def _starts(arguments: Sequence[dict[str, Any]]) -> list[int]:
    """Where a network's arguments differ from those of the one before it."""
    return [k for k in range(len(arguments)) if k == 0 or arguments[k] != arguments[k - 1]]


def _parameter(values: Tensor, gradient: Tensor) -> torch.nn.Parameter:
    parameter = torch.nn.Parameter(values, requires_grad=False)
    parameter.grad = gradient
    return parameter


def _part(value: Any, row: int | None) -> Any:
    if not isinstance(value, Tensor):
        return value
    if value.dim() and row is not None:
        value = value[row]
    return value.detach().cpu().numpy().copy()

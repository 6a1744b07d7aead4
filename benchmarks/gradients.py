"""Gradients by hand against autograd's: the time of one, for networks of either kind.

One thread, float32, a softmax over the outputs. Both sides compute the same gradients of the same
stack in turns; medians.

    python benchmarks/gradients.py
"""

from __future__ import annotations

from itertools import pairwise
from statistics import median
from time import perf_counter

import torch
from one_fit import machine

from skmlp.network.architecture import Architecture
from skmlp.network.mlp import StackedMLP

# K, sizes, B
CASES = [
    (1, (2, 10, 2), 32),
    (1, (64, 100, 10), 64),
    (1, (64, 256, 256, 10), 128),
    (64, (2, 10, 2), 32),
    (64, (64, 100, 10), 64),
]


def stack(K: int, sizes: tuple[int, ...], *, by_hand: bool) -> StackedMLP:
    module = StackedMLP(K, Architecture(sizes, ("relu",) * (len(sizes) - 2)), "log_loss")
    module.by_hand = by_hand
    module.set_blocks(module.blocks)
    generator = torch.Generator().manual_seed(0)
    module.blocks.flat.normal_(generator=generator)
    return module


def microseconds(module: StackedMLP, x, targets, n: int) -> float:
    with torch.inference_mode(module.by_hand), torch.no_grad():
        start = perf_counter()
        for _ in range(n):
            module.compute_gradients(x, targets, 1 / x.shape[1])
        return 1e6 * (perf_counter() - start) / n


def main() -> None:
    torch.set_num_threads(1)
    print(machine(1))
    print("| K | layers | batch | by hand, µs | autograd, µs | ratio |\n|" + "---|" * 6)
    for K, sizes, B in CASES:
        x = torch.randn(K, B, sizes[0])
        targets = torch.eye(sizes[-1])[torch.randint(sizes[-1], (K, B))]
        sides = [stack(K, sizes, by_hand=by_hand) for by_hand in (True, False)]
        n = max(2, int(2e8 / (K * B * sum(a * b for a, b in pairwise(sizes)))))
        n = min(n, 300)
        turns = [[microseconds(side, x, targets, n) for side in sides] for _ in range(11)]
        hand, auto = (median(times) for times in zip(*turns, strict=True))
        layers = "-".join(map(str, sizes))
        print(f"| {K} | {layers} | {B} | {hand:.0f} | {auto:.0f} | {auto / hand:.1f} |", flush=True)


if __name__ == "__main__":
    main()

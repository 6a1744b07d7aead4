"""Time the products of layers with one output or one input: torch.bmm, and what skmlp takes.

One thread, float32, K networks of B rows; microseconds for each of a layer's three products
(forward, gradient of the weights, gradient of the inputs), best of several repetitions.

    python benchmarks/products.py
"""

from __future__ import annotations

from time import perf_counter

import torch
from one_fit import machine

from skmlp.network.products import LayerProducts, layer_products

# K, B, fan_in, fan_out
SHAPES = [
    (120, 32, 10, 1),
    (120, 32, 50, 1),
    (120, 128, 100, 1),
    (500, 32, 10, 1),
    (8, 128, 256, 1),
    (1, 32, 10, 1),
    (120, 32, 1, 10),
    (120, 32, 1, 50),
]
BMM = LayerProducts(
    torch.bmm, lambda inputs, delta, out: torch.bmm(inputs.mT, delta, out=out), torch.bmm
)


def microseconds(run, n: int = 200, repeats: int = 15) -> float:
    best = float("inf")
    for _ in range(repeats):
        start = perf_counter()
        for _ in range(n):
            run()
        best = min(best, (perf_counter() - start) / n)
    return 1e6 * best


def of_shape(products: LayerProducts, K: int, B: int, p: int, m: int) -> list[float]:
    x, w, d = torch.randn(K, B, p), torch.randn(K, p, m), torch.randn(K, B, m)
    outs = torch.empty(K, B, m), torch.empty(K, p, m), torch.empty(K, B, p)
    runs = [
        lambda: products.forward(x, w, out=outs[0]),
        lambda: products.weight_gradient(x, d, outs[1]),
        lambda: products.backward(d, w.mT, out=outs[2]),
    ]
    return [microseconds(run) for run in runs]


@torch.inference_mode()
def main() -> None:
    torch.set_num_threads(1)
    print(machine(1))
    print("| K | B | inputs | outputs | torch.bmm | skmlp |")
    print("|" + "---|" * 6)
    for shape in SHAPES:
        cells = [
            " / ".join(f"{time:.1f}" for time in of_shape(products, *shape))
            for products in (BMM, layer_products(*shape))
        ]
        print(f"| {' | '.join(map(str, (*shape, *cells)))} |", flush=True)


if __name__ == "__main__":
    main()

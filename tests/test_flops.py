from __future__ import annotations

from helpers import make_task

from skmlp.training.flops import flops_per_step, stack_flops

SMALL = make_task(hidden=(8,))


def test_flops_are_three_products_of_two_operations():
    assert flops_per_step(SMALL) == 6 * 16 * (5 * 8 + 8 * 3)


def test_a_stack_adds_up_its_networks():
    assert stack_flops([SMALL, SMALL]) == 2 * flops_per_step(SMALL)

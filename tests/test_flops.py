from __future__ import annotations

from helpers import make_task

from skmlp.training.flops import flops_per_step, stack_flops

SMALL = make_task(hidden=(8,))


def test_flops_are_three_products_of_two_operations():
    assert flops_per_step(SMALL) == 6 * 16 * (5 * 8 + 8 * 3)


def test_a_batch_has_at_most_all_rows():
    assert flops_per_step(make_task(hidden=(8,), batch_size=999)) == 6 * 40 * (5 * 8 + 8 * 3)


def test_a_stack_adds_up_its_networks():
    assert stack_flops([SMALL]) == flops_per_step(SMALL)
    assert stack_flops([SMALL, SMALL]) == 2 * flops_per_step(SMALL)


def test_full_batch_methods_take_all_rows_of_one_network_at_once():
    small, large = make_task(optimizer="lbfgs", hidden=(8,)), make_task(optimizer="lbfgs")
    assert flops_per_step(small) == 6 * 40 * (5 * 8 + 8 * 3)
    assert stack_flops([small, large]) == flops_per_step(large)

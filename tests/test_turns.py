from __future__ import annotations

import threading
import warnings

import pytest

from skmlp.fusion import turns as module
from skmlp.fusion.turns import Turns


def test_one_has_the_turn_and_the_next_waits(monkeypatch):
    monkeypatch.setattr(module, "_PATIENCE", 30)
    turns, order = Turns(), []
    begun, go_on = threading.Event(), threading.Event()

    def first():
        with turns.own("first"):
            begun.set()
            go_on.wait(10)
            order.append("first")

    def second():
        begun.wait(10)
        with turns.own("second"):
            order.append("second")

    threads = [threading.Thread(target=run) for run in (second, first)]
    for thread in threads:
        thread.start()
    begun.wait(10)
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert order == ["first", "second"]


def test_who_has_waited_for_a_holder_once_does_not_wait_for_it_again(monkeypatch):
    monkeypatch.setattr(module, "_PATIENCE", 0.2)
    turns, waits = Turns(), []
    acquire = turns._turn.acquire

    class Counting:
        release = turns._turn.release

        def acquire(self, timeout):
            waits.append(timeout)
            return acquire(timeout=timeout)

    turns._turn = Counting()

    def child():
        for _ in range(3):
            with turns.own("child"):
                pass

    with turns.own("parent"):
        thread = threading.Thread(target=child)
        thread.start()
        thread.join(10)
    assert waits == [0.2, 0.2, 0, 0]
    with turns.own("next"):
        pass  # the turn is free again
    assert waits[-1] == 0.2


@pytest.mark.parametrize("first_ends_first", [True, False])
def test_warnings_are_restored_howeverturns_overlap(first_ends_first):
    turns = Turns()
    with warnings.catch_warnings():
        before = warnings.filters
        first, second = turns.warnings_restored(), turns.warnings_restored()
        first.__enter__()
        warnings.filters = [("error", None, Warning, None, 0)]
        second.__enter__()
        warnings.filters = [("always", None, Warning, None, 0)]
        for block in (first, second) if first_ends_first else (second, first):
            block.__exit__(None, None, None)
        assert warnings.filters is before

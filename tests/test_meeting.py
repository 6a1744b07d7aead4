from __future__ import annotations

import signal
import threading
from dataclasses import replace
from functools import partial
from time import sleep

import numpy as np
import pytest
import torch
from helpers import assert_same, make_task, trained_alone

from skmlp import config
from skmlp.fusion import meeting
from skmlp.fusion.meeting import run_together, train_all_or_meet, train_or_meet
from skmlp.fusion.waves import Wave
from skmlp.training import conductor
from skmlp.training.progress import DivergenceError

compiled = pytest.importorskip("skmlp.training.compiled")


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    with config(executor="auto"):
        yield


@pytest.fixture(autouse=True)
def globals_untouched(two_cores):
    yield
    names = {meeting.THREAD_NAME, conductor.THREAD_NAME}
    threads = [thread for thread in threading.enumerate() if thread.name in names]
    for thread in threads:
        thread.join(timeout=5)
    assert not any(thread.is_alive() for thread in threads)


class Steps:
    """Events of a search, by name; who waits for one that does not come fails."""

    def __init__(self):
        self.done: dict[str, threading.Event] = {}

    def event(self, name: str) -> threading.Event:
        return self.done.setdefault(name, threading.Event())

    def wait(self, name: str) -> None:
        assert self.event(name).wait(30), f"{name!r} did not happen"


@pytest.fixture
def trained(monkeypatch):
    """Set "begun k" and "trained k" where the network with seed k trains; act there, too."""
    steps, original = Steps(), compiled.train_network
    steps.act = lambda seed: None

    def train_network(task, run):
        steps.event(f"begun {task.seed}").set()
        steps.act(task.seed)
        outcome = original(task, run)
        steps.event(f"trained {task.seed}").set()
        return outcome

    monkeypatch.setattr(compiled, "train_network", train_network)
    return steps


def tasks_of(n: int, **others):
    return [make_task(seed=k, **others) for k in range(n)]


def ended(calls, width=None):
    return [member.place for member in run_together(calls, Wave(width))]


def test_the_first_network_trains_before_the_last_member_has_been_prepared(trained):
    def last(task):
        trained.wait("trained 0")
        return train_or_meet(task)

    first, second = tasks_of(2)
    members = run_together([partial(train_or_meet, first), partial(last, second)], Wave())
    results = [member.result for member in members]
    for one, other in zip(results, trained_alone([first, second]), strict=True):
        assert_same(one, other)


def test_a_member_goes_on_while_others_train(trained):
    trained.act = lambda seed: trained.wait("went on") if seed == 1 else None

    def first(task):
        train_or_meet(task)
        trained.event("went on").set()

    def last(task):
        trained.wait("trained 0")
        trained.wait("begun 1")
        train_or_meet(task)

    tasks = tasks_of(3)
    calls = [
        partial(do, task) for do, task in zip((first, train_or_meet, last), tasks, strict=True)
    ]
    assert ended(calls) == [0, 1, 2]


def test_a_fit_may_hand_over_several_networks():
    tasks = tasks_of(7)
    calls = [partial(train_all_or_meet, part) for part in (tasks[:3], tasks[3:4], tasks[4:])]
    members = sorted(run_together(calls, Wave()), key=lambda member: member.place)
    results = [result for member in members for result in member.result]
    for one, other in zip(results, trained_alone(tasks), strict=True):
        assert_same(one, other)
    for one, other in zip(train_all_or_meet(tasks), results, strict=True):
        assert_same(one, other)


def test_a_network_that_fails_is_its_fits_failure():
    def raises(shape, rng):
        raise KeyError("no start")

    tasks = tasks_of(4)
    calls = [
        partial(train_all_or_meet, part)
        for part in ([tasks[0], replace(tasks[1], initialization=raises)], tasks[2:])
    ]
    failed, well = sorted(run_together(calls, Wave()), key=lambda member: member.place)
    assert isinstance(failed.error, KeyError)
    assert well.error is None
    assert len(well.result) == 2


def expected_order(n: int, width: int) -> list[str]:
    """Whoever is admitted starts; then the first goes on and makes room for one more."""
    order = [f"prepare {k}" for k in range(width)]
    for k in range(n):
        order.append(f"go on {k}")
        order += [f"prepare {k + width}"] * (k + width < n)
    return order


@pytest.mark.parametrize("width", [1, 3, 8])
@pytest.mark.parametrize("seed", range(3))
def test_what_runs_when_does_not_depend_on_how_long_networks_train(trained, width, seed):
    seconds, order = np.random.default_rng(seed).uniform(0, 0.02, 8), []
    trained.act = lambda seed: sleep(seconds[seed])

    def call(task):
        order.append(f"prepare {task.seed}")
        train_or_meet(task)
        order.append(f"go on {task.seed}")

    assert ended([partial(call, task) for task in tasks_of(8)], width) == list(range(8))
    assert order == expected_order(8, width)


def test_a_member_that_waits_twice_goes_to_the_end_of_the_line(trained):
    order = []

    def call(place, n_networks):
        for k in range(n_networks):
            train_or_meet(make_task(seed=10 * place + k))
            order.append((place, k))

    calls = [partial(call, place, n) for place, n in enumerate((2, 0, 1, 2))]
    assert ended(calls) == [1, 2, 0, 3]
    assert order == [(0, 0), (2, 0), (3, 0), (0, 1), (3, 1)]


def test_what_one_network_raises_is_its_members_own():
    tasks = tasks_of(3)
    tasks[1] = make_task(optimizer="sgd", activations=("relu",) * 2, learning_rate_init=1e300)
    members = list(run_together([partial(train_or_meet, task) for task in tasks], Wave()))
    assert [type(member.error) for member in members] == [type(None), DivergenceError, type(None)]


def endless(*seeds):
    return [partial(train_or_meet, make_task(seed=k, max_iter=10**9)) for k in seeds]


def test_an_interrupt_in_a_network_ends_all(trained):
    def interrupt(seed):
        if seed == 0:
            raise KeyboardInterrupt

    trained.act = interrupt
    with pytest.raises(KeyboardInterrupt):
        ended([partial(train_or_meet, make_task()), *endless(1, 2)])


def test_control_c_while_a_member_is_prepared_and_others_train_ends_all(trained):
    def last():
        trained.wait("begun 0")
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        trained.wait("trained 0")  # it is stopped, though this member still runs
        train_or_meet(make_task(seed=3))

    with pytest.raises(KeyboardInterrupt):
        ended([*endless(0, 1, 2), last])


def test_who_stops_listening_stops_the_training():
    run = run_together([partial(train_or_meet, make_task()), *endless(1, 2, 3)], Wave())
    assert next(run).place == 0
    run.close()  # and no thread remains


def test_inside_a_member_there_may_be_another_meeting(trained):
    def inner():
        calls = [partial(train_or_meet, task) for task in tasks_of(3)]
        return [member.result for member in run_together(calls, Wave())]

    alone = trained_alone(tasks_of(3))
    calls = [partial(train_or_meet, make_task()), inner, inner]
    _, *found = sorted(run_together(calls, Wave()), key=lambda member: member.place)
    for member in found:
        for one, other in zip(member.result, alone, strict=True):
            assert_same(one, other)

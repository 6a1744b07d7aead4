from __future__ import annotations

import signal
import subprocess
import sys
import threading
from dataclasses import replace
from time import perf_counter, sleep

import numpy as np
import pytest
import torch
from helpers import assert_same, make_task, random_rows, trained_alone
from threadpoolctl import threadpool_info, threadpool_limits

from skmlp import Normal, config
from skmlp.training import Conductor, conductor, stacks, train
from skmlp.training.progress import DivergenceError

compiled = pytest.importorskip("skmlp.training.compiled")

ENDLESS = 10**9  # epochs


@pytest.fixture(autouse=True)
def by_loops():
    with config(executor="auto"):
        yield


@pytest.fixture(autouse=True)
def no_helpers_left():
    yield
    assert helpers() == []


def helpers() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name == conductor.THREAD_NAME]


def set_threads(monkeypatch, n_threads: int) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: n_threads)


@pytest.fixture
def two_threads(monkeypatch):
    set_threads(monkeypatch, 2)


def during_training(monkeypatch, act) -> None:
    """Call ``act(task)`` when a network begins to train."""
    original = compiled.train_network

    def train_network(task, run):
        act(task)
        return original(task, run)

    monkeypatch.setattr(compiled, "train_network", train_network)


def mixed_tasks():
    """For loops and for torch, by steps and full batch."""
    return [
        make_task(),
        make_task(normalization="layer"),
        make_task(optimizer="lbfgs"),
        make_task(seed=1, initialization=lambda shape, rng: rng.normal(size=shape)),
        make_task(seed=2, normalization="layer"),
        make_task(seed=3, hidden=(3,)),
    ]


@pytest.mark.parametrize("n_threads", [1, 2, 4])
def test_networks_are_what_they_are_alone_in_whatever_order_they_are_asked_for(
    monkeypatch, n_threads
):
    set_threads(monkeypatch, n_threads)
    tasks = mixed_tasks()
    alone = trained_alone(tasks)
    for one, other in zip(train(tasks), alone, strict=True):
        assert_same(one, other)
    with Conductor(len(tasks)) as training:
        tickets = [training.add(task) for task in tasks]
        for place in (5, 1, 0, 3, 2, 4):
            assert_same(training.outcome(tickets[place]), alone[place])


@pytest.mark.usefixtures("two_threads")
def test_a_network_trains_before_the_next_task_has_come():
    with Conductor(2) as training:
        first = training.add(make_task())
        first.result(timeout=30)
        second = training.add(make_task(seed=1))
        assert training.outcome(first).n_iter == training.outcome(second).n_iter == 5


@pytest.mark.usefixtures("two_threads")
def test_who_waits_for_an_outcome_trains_too(monkeypatch):
    other_has_begun = threading.Event()

    def act(task):
        if task.seed == 0:
            assert other_has_begun.wait(30)
        else:
            other_has_begun.set()

    during_training(monkeypatch, act)
    assert all(result.n_iter == 5 for result in train([make_task(seed=k) for k in range(2)]))


@pytest.mark.parametrize(("n_tasks", "n_threads"), [(1, 4), (3, 1)])
def test_one_network_or_one_thread_needs_no_helper(monkeypatch, n_tasks, n_threads):
    set_threads(monkeypatch, n_threads)
    names = []
    during_training(monkeypatch, lambda task: names.append(threading.current_thread().name))
    train([make_task(seed=k) for k in range(n_tasks)])
    assert names == [threading.current_thread().name] * n_tasks


def test_there_is_a_helper_for_each_core_but_one(monkeypatch):
    set_threads(monkeypatch, 3)
    with Conductor(8) as training:
        for k in range(8):
            training.add(make_task(seed=k))
        assert len(helpers()) == 2


@pytest.mark.usefixtures("two_threads", "by_torch")
def test_what_torch_trains_is_kept_until_it_is_asked_for_and_trains_as_a_stack(monkeypatch):
    sizes, original = [], stacks.Stack
    monkeypatch.setattr(stacks, "Stack", lambda tasks: sizes.append(len(tasks)) or original(tasks))
    with Conductor(5) as training:
        tickets = [training.add(make_task(seed=k)) for k in range(3)]
        assert sizes == []
        training.outcome(tickets[1])
        assert sizes == [3]
        tickets += [training.add(make_task(seed=k)) for k in (3, 4)]
        for ticket in (tickets[0], *tickets[2:]):
            training.outcome(ticket)
    assert sizes == [3, 2]


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("parameter", ["initialization", "learning_rate"])
def test_a_users_function_runs_only_while_an_outcome_is_waited_for(parameter):
    calls = []

    def called(*given):
        calls.append(asked)
        return 1.0 if parameter == "learning_rate" else given[1].normal(size=given[0])

    with Conductor(3) as training:
        tickets = [training.add(make_task(seed=k, **{parameter: called})) for k in range(2)]
        training.add(make_task()).result(timeout=30)
        asked = True
        training.outcome(tickets[0])
        n_calls, asked = len(calls), False
        training.outcome(tickets[1])
    assert n_calls == len(calls) > 0
    assert all(calls)


@pytest.mark.usefixtures("two_threads")
def test_a_rule_of_the_package_need_not_wait():
    with Conductor(2) as training:
        tickets = [training.add(make_task(seed=k, initialization=Normal(0.1))) for k in range(2)]
        assert all(ticket.result(timeout=30).n_iter == 5 for ticket in tickets)
        for ticket in tickets:
            training.outcome(ticket)


@pytest.mark.usefixtures("two_threads")
def test_full_batch_networks_train_when_they_are_asked_for(monkeypatch):
    begun = []
    during_training(monkeypatch, lambda task: begun.append(task.seed))
    with Conductor(3) as training:
        tickets = [training.add(make_task(seed=k, optimizer="lbfgs")) for k in range(2)]
        training.add(make_task(seed=2)).result(timeout=30)
        assert begun == [2]
        training.outcome(tickets[1])
        assert sorted(begun) == [0, 1, 2]


@pytest.mark.usefixtures("two_threads")
def test_what_a_network_raises_is_its_own():
    tasks = [make_task(seed=k) for k in range(4)]
    tasks[1] = make_task(optimizer="sgd", activations=("relu",) * 2, learning_rate_init=1e300)
    outcomes = train(tasks)
    assert [type(outcome) is DivergenceError for outcome in outcomes] == [0, 1, 0, 0]


@pytest.mark.parametrize("n_threads", [1, 2])
def test_an_interrupt_of_one_network_ends_all(monkeypatch, n_threads):
    set_threads(monkeypatch, n_threads)

    def act(task):
        if task.seed == 2:
            raise KeyboardInterrupt

    during_training(monkeypatch, act)
    tasks = [make_task(seed=k, max_iter=5 if k < 3 else ENDLESS, tol=0.0) for k in range(5)]
    start = perf_counter()
    with pytest.raises(KeyboardInterrupt):
        train(tasks)
    assert perf_counter() - start < 30


@pytest.mark.usefixtures("two_threads")
def test_control_c_is_heard_within_a_second_while_all_cores_train():
    tasks = [make_task(seed=k, max_iter=ENDLESS) for k in range(3)]
    train([make_task()])  # loops are there
    sent = []

    def interrupt():
        sleep(0.3)
        sent.append(perf_counter())
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        train(tasks)
    assert perf_counter() - sent[0] < 5  # a second on a machine that is not busy


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("asked", [True, False])
def test_leaving_the_block_stops_what_trains(asked):
    train([make_task()])
    with Conductor(4) as training:
        first = training.add(make_task())
        for k in range(3):
            training.add(make_task(seed=k, max_iter=ENDLESS))
        if asked:
            first.result(timeout=30)
            training.outcome(first)
        start = perf_counter()
    assert perf_counter() - start < 5


LEFT_OPEN = """
from helpers import make_task
import torch
torch.get_num_threads = lambda: 2
from skmlp.training import Conductor
training = Conductor(3).__enter__()
training.add(make_task()).result(timeout=60)
for k in range(2):
    training.add(make_task(seed=k, max_iter=10**9))
"""


def test_a_process_may_end_in_the_middle():
    environment = {"PYTHONPATH": ":".join(sys.path), "PATH": ""}
    command = [sys.executable, "-c", LEFT_OPEN]
    found = subprocess.run(command, env=environment, timeout=60, capture_output=True, text=True)
    assert (found.returncode, found.stderr) == (0, "")


def blas_threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


@pytest.mark.usefixtures("two_threads")
def test_blas_has_one_thread_from_the_first_task_for_loops_until_the_last_is_handed_out():
    with threadpool_limits(2, "blas"):
        with Conductor(3) as training:
            for_torch = training.add(make_task(normalization="layer"))
            assert blas_threads() == {2}
            tickets = [training.add(make_task(seed=k)) for k in range(2)]
            for ticket in tickets:
                ticket.result(timeout=30)
                assert blas_threads() == {1}
                training.outcome(ticket)
            assert blas_threads() == {2}
            training.outcome(for_torch)
        assert blas_threads() == {2}
        with pytest.raises(ArithmeticError), Conductor(3) as training:  # noqa: PT012
            training.add(make_task())
            assert blas_threads() == {1}
            raise ArithmeticError
        assert blas_threads() == {2}


@pytest.mark.usefixtures("two_threads")
def test_helpers_flush_denormals_and_the_callers_thread_does_not():
    tiny = torch.full((), 1e-40)
    with Conductor(2) as training:
        ticket = training.add(make_task())
        ticket.result(timeout=30)
        assert (tiny + tiny).item() != 0
        training.outcome(ticket)
    assert (tiny + tiny).item() != 0


@pytest.mark.usefixtures("two_threads")
def test_verbose_networks_that_are_out_together_share_a_bar_and_one_alone_prints(capsys):
    verbose = [replace(make_task(seed=k, max_iter=2), verbose=1) for k in range(3)]
    with Conductor(4) as training:
        first = training.outcome(training.add(verbose[0]))
        assert capsys.readouterr().out.count("Iteration") == 2
        tickets = [training.add(task) for task in verbose[1:]]
        others = [training.outcome(ticket) for ticket in tickets]
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "3/3" in shown.err
    for one, other in zip([first, *others], trained_alone(verbose), strict=True):
        assert_same(one, other)


@pytest.mark.usefixtures("two_threads")
def test_no_training_is_none():
    assert train([]) == []
    with Conductor(0):
        pass


def test_rows_of_an_outcome_that_was_handed_out_are_not_held(monkeypatch):
    set_threads(monkeypatch, 2)
    import gc
    import weakref

    class Array(np.ndarray):
        pass

    task = make_task(rows=random_rows())
    task.train.X = task.train.X.view(Array)
    rows = weakref.ref(task.train.X)
    with Conductor(2) as training:
        ticket = training.add(task)
        del task
        training.outcome(ticket)
        other = training.add(make_task(seed=1))
        training.outcome(other)
        gc.collect()
        assert rows() is None


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("kind", ["start", "scorer"])
def test_code_of_the_users_runs_in_the_callers_thread(kind):
    threads = []

    def start(shape, rng):
        threads.append(threading.current_thread())
        sleep(0.001)
        return rng.normal(size=shape)

    def scorer(task, logits, arrays, epoch):
        threads.append(threading.current_thread())
        sleep(0.001)
        return 0.0

    rows = random_rows(n=20, seed=9)
    theirs = {"initialization": start} if kind == "start" else {"metric": scorer}
    tasks = [make_task(seed=k, validation=rows, **theirs) for k in range(4)]
    tasks.append(make_task(seed=4, optimizer="lbfgs", validation=rows, **theirs))
    tasks.insert(2, make_task(seed=5))
    for ours, alone in zip(train(tasks), trained_alone(tasks), strict=True):
        assert_same(ours, alone)
    assert set(threads) == {threading.current_thread()}


@pytest.mark.usefixtures("two_threads")
def test_an_interrupt_in_a_scorer_ends_all():
    def scorer(task, logits, arrays, epoch):
        raise KeyboardInterrupt

    rows = random_rows(n=20, seed=9)
    tasks = [make_task(validation=rows, metric=scorer), make_task(max_iter=ENDLESS)]
    with pytest.raises(KeyboardInterrupt):
        train(tasks)

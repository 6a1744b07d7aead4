from __future__ import annotations

from helpers import make_task, random_rows

from skmlp.fusion import waves
from skmlp.fusion.waves import DEFAULT_WIDTH, Wave, rows_bytes


def test_rows_that_several_tasks_share_count_once():
    rows = random_rows()
    same, other = [make_task(rows=rows), make_task(rows=rows)], make_task(rows=random_rows(seed=1))
    assert rows_bytes(same) == rows.X.nbytes
    assert rows_bytes([*same, other]) == 2 * rows.X.nbytes


def test_a_wave_is_full_at_its_width():
    wave, tasks = Wave(width=3), [make_task() for _ in range(3)]
    assert wave(tasks[:2])
    assert not wave(tasks)


def test_a_wave_is_full_when_its_rows_fill_the_memory():
    tasks = [make_task(rows=random_rows(seed=seed)) for seed in range(3)]
    wave = Wave(most_bytes=2 * tasks[0].train.X.nbytes)
    assert wave(tasks[:1])
    assert not wave(tasks[:2])


def test_rows_larger_than_the_memory_still_train_one_by_one():
    wave = Wave(most_bytes=0)
    assert wave([])
    assert not wave([make_task()])


def test_the_default_width_depends_on_the_free_memory(monkeypatch):
    task = make_task()
    monkeypatch.setattr(waves, "available_memory", lambda: 12 * task.train.X.nbytes)
    others = [make_task(rows=random_rows(seed=seed)) for seed in range(3)]
    assert Wave()(others[:2])
    assert not Wave()(others)
    monkeypatch.undo()
    assert Wave()([task] * (DEFAULT_WIDTH - 1))
    assert not Wave()([task] * DEFAULT_WIDTH)
    assert waves.available_memory() > 0


def test_a_usual_amount_of_memory_where_the_system_does_not_say(monkeypatch):
    monkeypatch.delattr(waves.os, "sysconf")
    assert waves.available_memory() == 8 << 30

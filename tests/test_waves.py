from __future__ import annotations

from helpers import make_task, random_rows

from skmlp._waves import Wave, rows_bytes


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

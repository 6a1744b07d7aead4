from __future__ import annotations

import pickle
import threading
import warnings

import pytest

from skmlp.fusion.engines.outcomes import Outcome, Warned, pack_outcome


class Stubborn(Exception):
    """Cannot be built again from what pickle keeps."""

    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")


class StubbornWarning(UserWarning):
    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")


def travelled(result=None, error=None, recorded=()):
    return pickle.loads(pack_outcome(result, error, recorded))


def raised(error):
    try:
        raise error
    except type(error) as caught:
        return caught


def recorded(message):
    with warnings.catch_warnings(record=True) as log:
        warnings.simplefilter("always")
        warnings.warn(message, stacklevel=1)
    return log


def test_a_result_is_given():
    assert travelled({"score": 1.0}).give() == {"score": 1.0}


def test_an_error_is_raised_with_the_traceback_of_where_it_happened():
    outcome = travelled(error=raised(KeyError("missing")))
    with pytest.raises(KeyError, match="missing") as error:
        outcome.give()
    assert "In a worker of fused" in error.value.__notes__[0]
    assert "in raised" in error.value.__notes__[0]


def test_an_error_that_cannot_travel_keeps_its_text():
    with pytest.raises(RuntimeError, match="Stubborn: this and that"):
        travelled(error=raised(Stubborn("this", "that"))).give()
    with pytest.raises(RuntimeError, match="ValueError: <unlocked"):
        travelled(error=raised(ValueError(threading.Lock()))).give()


def test_a_result_that_cannot_travel_is_an_error():
    with pytest.raises(pickle.PicklingError, match=r"cannot be sent back.*lock.*engine=None"):
        travelled(threading.Lock()).give()


def test_warnings_are_given_first_from_their_own_line():
    log = recorded(DeprecationWarning("old"))
    outcome = travelled("result", recorded=log)
    with warnings.catch_warnings(record=True) as again:
        warnings.simplefilter("always")
        assert outcome.give() == "result"
    [(w, original)] = zip(again, log, strict=True)
    assert (w.category, str(w.message)) == (DeprecationWarning, "old")
    assert (w.filename, w.lineno) == (original.filename, original.lineno)


def test_equal_warnings_are_given_each_time():
    outcome = Outcome(warned=[Warned(UserWarning("again"), UserWarning, "file.py", 1)])
    with warnings.catch_warnings(record=True) as log:
        warnings.simplefilter("default")
        outcome.give()
        outcome.give()
    assert len(log) == 2


def test_a_warning_turned_into_an_error_is_the_calls_error():
    outcome = travelled("result", recorded=recorded(UserWarning("serious")))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="serious"):
            outcome.give()


def test_a_warning_that_cannot_travel_keeps_its_text():
    outcome = travelled(recorded=recorded(StubbornWarning("this", "that")))
    with pytest.warns(UserWarning, match="StubbornWarning: this and that"):
        outcome.give()

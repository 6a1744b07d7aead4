import pytest

from skmlp.comparison import InputError, StudySettings


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"folds": 1}, "folds=1.*at least 2.*--folds 5"),
        ({"folds": -3}, "folds=-3"),
        ({"n_jobs": 0}, "n_jobs=0.*--n-jobs 1"),
        ({"random_state": -1}, "random_state=-1.*--random-state 0"),
        ({"random_state": 2**32}, "random_state=4294967296"),
    ],
)
def test_values_out_of_range_are_named_with_a_way_out(values, words):
    with pytest.raises(InputError, match=words):
        StudySettings(**values)


def test_the_defaults_are_allowed():
    assert StudySettings().folds == 5

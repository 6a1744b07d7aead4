import numpy as np
import pandas as pd
import pytest

from skmlp.comparison import Dataset, InputError, StudySettings, make_folds, plan_study


def dataset_of(counts):
    y = np.repeat(np.arange(len(counts)), counts)
    X = pd.DataFrame({"a": np.arange(len(y), dtype=float)})
    return Dataset("made", X, y, tuple(f"class {code}" for code in range(len(counts))), "")


def test_every_row_is_tested_once():
    folds = make_folds(dataset_of([20, 31]), StudySettings(folds=4))
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(51))


def test_inner_folds_split_the_training_rows_alone():
    for fold in make_folds(dataset_of([20, 31]), StudySettings(folds=4, inner_folds=3)):
        assert not set(fold.train) & set(fold.test)
        validated = np.concatenate([validation for _, validation in fold.inner])
        assert sorted(validated) == list(range(len(fold.train)))
        for training, validation in fold.inner:
            assert not set(training) & set(validation)


def test_folds_are_stratified():
    for fold in make_folds(dataset_of([20, 40]), StudySettings(folds=5)):
        assert np.mean(fold.test < 20) == pytest.approx(1 / 3)


def test_the_seed_decides_the_folds():
    def tests(seed):
        folds = make_folds(dataset_of([20, 30]), StudySettings(random_state=seed))
        return [fold.test.tolist() for fold in folds]

    assert tests(3) == tests(3)
    assert tests(3) != tests(4)


@pytest.mark.parametrize(("folds", "rarest"), [(5, 4), (10, 9), (2, 5), (3, 4)])
def test_a_class_with_too_few_rows_is_named(folds, rarest):
    settings = StudySettings(folds=folds)
    words = f"'class 1' of made has only {rarest} rows.*{folds} folds.*--folds"
    with pytest.raises(InputError, match=words):
        plan_study([dataset_of([50, rarest])], settings)


@pytest.mark.parametrize(("folds", "rarest"), [(5, 5), (10, 10), (2, 6), (3, 5)])
@pytest.mark.filterwarnings("error")
def test_a_class_with_just_enough_rows_is_in_every_training_set(folds, rarest):
    dataset = dataset_of([50, rarest])
    for fold in make_folds(dataset, StudySettings(folds=folds)):
        for training, validation in fold.inner:
            assert 1 in dataset.y[fold.train[training]]
            assert 1 in dataset.y[fold.train[validation]]

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    LeaveOneOut,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedKFold,
    TimeSeriesSplit,
)

from skmlp.comparison import InputError, make_dataset, make_folds


def dataset_of(counts, **options):
    y = np.repeat([f"class {code}" for code in range(len(counts))], counts)
    X = pd.DataFrame({"a": np.arange(len(y), dtype=float)})
    return make_dataset(X, y, name="made", **options)


def numbers(n, **options):
    return make_dataset(np.arange(n)[:, None], np.arange(n) / 7, name="made", **options)


@pytest.mark.parametrize("dataset", [dataset_of([20, 31]), numbers(51)])
def test_every_row_is_tested_once(dataset):
    folds = make_folds(dataset, 4)
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(51))


def test_inner_folds_split_the_training_rows_alone():
    for fold in make_folds(dataset_of([20, 31]), 4, 3):
        assert not set(fold.train) & set(fold.test)
        validated = np.concatenate([validation for _, validation in fold.inner])
        assert sorted(validated) == list(range(len(fold.train)))
        for training, validation in fold.inner:
            assert not set(training) & set(validation)


def test_folds_are_stratified():
    for fold in make_folds(dataset_of([20, 40]), 5):
        assert np.mean(fold.test < 20) == pytest.approx(1 / 3)


def test_the_seed_decides_the_folds():
    def tests(seed):
        return [fold.test.tolist() for fold in make_folds(dataset_of([20, 30]), random_state=seed)]

    assert tests(3) == tests(3)
    assert tests(3) != tests(4)


@pytest.mark.parametrize("dataset", [dataset_of([30, 30]), numbers(60)])
def test_groups_stay_together_in_outer_and_inner_folds(dataset):
    groups = np.arange(60) // 3
    grouped = make_dataset(dataset.X, dataset.y, task=dataset.task, groups=groups)
    for fold in make_folds(grouped, 4, 3):
        assert not set(groups[fold.train]) & set(groups[fold.test])
        own = groups[fold.train]
        for training, validation in fold.inner:
            assert not set(own[training]) & set(own[validation])


def test_splitters_may_repeat():
    folds = make_folds(
        dataset_of([20, 30]), RepeatedStratifiedKFold(n_splits=5, n_repeats=3, random_state=0)
    )
    assert len(folds) == 15
    counts = np.bincount(np.concatenate([fold.test for fold in folds]))
    assert (counts == 3).all()


def test_splits_can_be_given_as_numbers_or_masks():
    train = np.arange(50) % 5 > 0
    given = [(train, ~train), (np.flatnonzero(train), np.flatnonzero(~train))]
    first, second = make_folds(dataset_of([20, 30]), given)
    np.testing.assert_array_equal(first.train, second.train)
    np.testing.assert_array_equal(first.test, np.arange(0, 50, 5))


def test_a_generator_of_splits_is_drawn_once():
    splits = ShuffleSplit(3, random_state=0).split(np.zeros(50))
    assert len(make_folds(numbers(50), splits)) == 3


def test_time_order_is_kept_inside_too():
    for fold in make_folds(numbers(60), TimeSeriesSplit(4)):
        assert fold.train.max() < fold.test.min()
        for training, validation in fold.inner:
            assert training.max() < validation.min()


def test_no_inner_folds_are_drawn_without_tuning():
    assert all(fold.inner == () for fold in make_folds(dataset_of([4, 4]), 4, None))


@pytest.mark.parametrize(("folds", "rarest"), [(5, 4), (10, 9), (2, 5), (3, 4), (5, 1)])
def test_a_class_with_too_few_rows_is_named(folds, rarest):
    rows = "1 row," if rarest == 1 else f"{rarest} rows"
    words = f"'class 1' of made has only {rows}.*{folds} folds with 3 inner.*merge or remove"
    with pytest.raises(InputError, match=words):
        make_folds(dataset_of([50, rarest]), folds)


@pytest.mark.parametrize(("folds", "rarest"), [(5, 5), (10, 10), (2, 6), (3, 5)])
@pytest.mark.filterwarnings("error")
def test_a_class_with_just_enough_rows_is_in_every_training_set(folds, rarest):
    dataset = dataset_of([50, rarest])
    for fold in make_folds(dataset, folds):
        for training, validation in fold.inner:
            assert "class 1" in dataset.y[fold.train[training]]
            assert "class 1" in dataset.y[fold.train[validation]]


FEW_GROUPS = numbers(20, groups=np.arange(20) // 7)
LONELY = dataset_of([10, 5], groups=np.repeat([0, 1, 2], 5))
BAD = {
    "one fold": (numbers(20), 1, "cv=1.*at least 2 folds"),
    "fewer rows than folds": (numbers(4), 5, "made has only 4 rows, too few for 5 folds"),
    "few groups": (FEW_GROUPS, 5, "only 3 groups, too few for 5 folds"),
    "word": (numbers(20), "five", "cv='five'.*expected a number of folds"),
    "true": (numbers(20), True, "cv=True"),
    "shared rows": (numbers(20), [([0, 1, 2], [2, 3])], "Fold 1 of cv has row 2 on both sides"),
    "outside": (numbers(20), [([0, 1], [20])], "row numbers outside 0 to 19"),
    "no test rows": (numbers(20), [([0, 1], [])], "no test rows"),
    "no folds": (numbers(20), [], "cv has no folds"),
    "no pairs": (numbers(20), [1, 2], "cannot split these rows"),
    "splitter": (numbers(20), LeaveOneGroupOut(), "cannot split these rows.*groups"),
    "unseen class": (dataset_of([10, 10]), [(range(10), range(10, 20))], "no training rows of"),
}


@pytest.mark.parametrize("case", BAD)
def test_impossible_folds_are_explained(case):
    dataset, cv, words = BAD[case]
    with pytest.raises(InputError, match=words):
        make_folds(dataset, cv)


def test_a_class_that_one_group_holds_is_found():
    with pytest.raises(InputError, match="no training rows of class 'class 1'"):
        make_folds(LONELY, 3, None)


@pytest.mark.filterwarnings("ignore:The groups parameter is ignored:UserWarning")
@pytest.mark.parametrize("name", ["cv", "inner_cv"])
def test_a_splitter_that_tears_groups_apart_is_refused(name):
    X, y = np.arange(60.0).reshape(-1, 1), np.tile([0, 1], 30)
    dataset = make_dataset(X, y, task="classification", groups=np.repeat(np.arange(12), 5))
    splitters = {"cv": GroupKFold(3), "inner_cv": GroupKFold(2)}
    make_folds(dataset, **splitters)
    splitters[name] = KFold(3, shuffle=True, random_state=0)
    with pytest.raises(InputError, match=rf"Fold 1 of {name} has group \d+ on both sides.*GroupK"):
        make_folds(dataset, **splitters)


def test_a_fold_without_any_weight_is_refused():
    X, y = np.arange(60.0).reshape(-1, 1), np.tile([0, 1], 30)
    dataset = make_dataset(X, y, task="classification", sample_weight=(np.arange(60) < 20) * 1.0)
    with pytest.raises(InputError, match=r"training rows of fold 1 of cv all have sample_weight 0"):
        make_folds(dataset, KFold(3))


def numeric_classes(counts):
    y = np.repeat(np.arange(len(counts)) + 3, counts)
    return make_dataset(np.arange(len(y))[:, None], y, task="classification", name="made")


WORDS = r"task='regression' \(--task regression\)\.$"
SOME_CLASSES = [20, 20, 1]


@pytest.mark.parametrize(
    "cv",
    [5, StratifiedKFold(30), [(range(40), range(40, 41))], LeaveOneOut()],
    ids=["too few rows", "splitter", "pairs", "one row each"],
)
def test_errors_about_classes_that_are_numbers_name_regression(cv):
    with pytest.raises(InputError, match=WORDS):
        make_folds(numeric_classes(SOME_CLASSES), cv)
    with pytest.raises(InputError) as caught:
        make_folds(dataset_of(SOME_CLASSES), cv)
    assert "regression" not in str(caught.value)


def test_errors_about_something_else_do_not_name_regression():
    for cv in (1, "five", [(range(3), range(2, 5))]):
        with pytest.raises(InputError) as caught:
            make_folds(numeric_classes([20, 20]), cv)
        assert "regression" not in str(caught.value)

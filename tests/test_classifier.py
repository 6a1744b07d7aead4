from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import sklearn
from sklearn.base import clone
from sklearn.datasets import load_iris, make_circles, make_multilabel_classification
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch.nn.functional import softplus

import skmlp
from skmlp import MLPClassifier
from skmlp.estimators import base
from skmlp.network.losses import losses_of
from skmlp.training import stacks


def small(**parameters):
    defaults = {"hidden_layer_sizes": (8,), "max_iter": 20, "random_state": 0}
    return MLPClassifier(**{**defaults, "learning_rate_init": 0.01, **parameters})


def circles():
    return make_circles(300, noise=0.1, factor=0.5, random_state=0)


def iris():
    X, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(X), y


def multilabel():
    return make_multilabel_classification(120, 6, n_classes=3, random_state=0)


KINDS = {"binary": circles, "multiclass": iris, "multilabel": multilabel}


@pytest.mark.parametrize("kind", KINDS)
def test_methods_agree_with_one_another(kind):
    X, y = KINDS[kind]()
    model = small().fit(X, y)
    proba, logits, predicted = model.predict_proba(X), model.decision_function(X), model.predict(X)
    np.testing.assert_allclose(np.log(proba), model.predict_log_proba(X), rtol=1e-6, atol=1e-9)
    if kind == "multilabel":
        np.testing.assert_array_equal(predicted, proba > 0.5)
        np.testing.assert_array_equal(predicted, logits > 0)
        assert model.out_activation_ == "logistic"
    else:
        np.testing.assert_allclose(proba.sum(axis=1), 1.0)
        np.testing.assert_array_equal(predicted, model.classes_[proba.argmax(axis=1)])
    if kind == "binary":
        assert logits.shape == (len(X),)
        assert proba.shape == (len(X), 2)
        np.testing.assert_array_equal(predicted, (logits > 0).astype(int))
    assert model.score(X, y) == np.mean(np.all(np.atleast_2d((predicted == y).T).T, axis=1))


def test_log_probabilities_are_finite_where_probabilities_round_to_zero():
    X, y = circles()
    model = small().fit(X, y)
    model.coefs_[-1] *= 1e4
    assert (model.predict_proba(X) == 0).any()
    assert np.isfinite(model.predict_log_proba(X)).all()


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["no", "yes"]),
        np.array(["no", "yes"], dtype=object),
        np.array([True, False]),
        np.array([-1, 1]),
        np.array([3.0, 7.0]),
        pd.Categorical(["b", "a"]),
    ],
)
def test_labels_of_any_type(labels):
    X, y = circles()
    y = labels[y]
    model = small(max_iter=200, learning_rate_init=0.05).fit(X, y)
    assert list(model.classes_) == sorted(np.unique(np.asarray(labels)))
    assert set(model.predict(X)) <= set(labels)
    assert model.score(X, y) > 0.95


def test_column_y_warns_and_works():
    X, y = circles()
    with pytest.warns(sklearn.exceptions.DataConversionWarning):
        column = small().fit(X, y[:, None])
    np.testing.assert_array_equal(column.coefs_[0], small().fit(X, y).coefs_[0])


def test_sparse_multilabel_targets():
    X, y = multilabel()
    dense, sparse = small().fit(X, y), small().fit(X, scipy.sparse.csr_matrix(y))
    np.testing.assert_array_equal(dense.coefs_[0], sparse.coefs_[0])


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
@pytest.mark.parametrize("label", ["only", 7])
def test_one_class_has_one_column(optimizer, label):
    X, _ = circles()
    y = np.full(len(X), label)
    model = small(optimizer=optimizer, early_stopping=True).fit(X, y)
    assert set(model.predict(X)) == {label}
    np.testing.assert_array_equal(model.predict_proba(X), np.ones((len(X), 1)))
    np.testing.assert_array_equal(model.predict_log_proba(X), np.zeros((len(X), 1)))
    assert model.decision_function(X).shape == (len(X), 1)
    assert model.score(X, y) == 1.0


def test_class_weight_dict_equals_sample_weights():
    X, y = iris()
    weights = {0: 0.5, 1: 2.0, 2: 3.0}
    by_class = small(class_weight=weights).fit(X, y)
    by_row = small().fit(X, y, np.array([weights[c] for c in y]))
    np.testing.assert_array_equal(by_class.coefs_[0], by_row.coefs_[0])


def test_balanced_gives_every_class_the_same_total():
    X, y = iris()
    X, y = X[:110], y[:110]  # 50, 50 and 10 rows
    counts = np.bincount(y)
    by_class = small(class_weight="balanced").fit(X, y)
    by_row = small().fit(X, y, (110 / (3 * counts))[y])
    np.testing.assert_allclose(by_class.coefs_[0], by_row.coefs_[0])


def test_class_weights_of_labels():
    X, y = multilabel()
    plain = small().fit(X, y)
    weighted = small(class_weight=[{0: 1, 1: 5}] * 3).fit(X, y)
    assert weighted.predict(X).sum() > plain.predict(X).sum()


@pytest.mark.parametrize("kind", KINDS)
def test_label_smoothing_pulls_probabilities_to_the_middle(kind):
    X, y = KINDS[kind]()
    parameters = {"max_iter": 2000, "optimizer": "lbfgs", "alpha": 1e-6}
    # enough capacity to reach the targets, 1 - ε + ε/2 of two classes
    smooth = small(hidden_layer_sizes=(60,), label_smoothing=0.2, **parameters).fit(X, y)
    n_classes = 3 if kind == "multiclass" else 2
    top = np.sort(smooth.predict_proba(X).max(axis=1))
    assert np.median(top) == pytest.approx(1 - 0.2 + 0.2 / n_classes, abs=0.03)
    sharp = small(hidden_layer_sizes=(60,), **parameters).fit(X, y)
    assert np.median(sharp.predict_proba(X).max(axis=1)) > 0.99


@pytest.mark.parametrize("n_classes", [2, 3])
def test_label_smoothing_moves_exactly_its_share(n_classes):
    # Constant rows: all that a model can give is the mean of its targets.
    y = np.repeat(np.arange(n_classes), [30, 6, 4][:n_classes])
    parameters = {"hidden_layer_sizes": (), "optimizer": "lbfgs", "alpha": 0.0, "tol": 1e-9}
    model = small(label_smoothing=0.2, max_iter=500, **parameters).fit(np.zeros((len(y), 1)), y)
    expected = 0.8 * np.bincount(y) / len(y) + 0.2 / n_classes
    np.testing.assert_allclose(model.predict_proba([[0.0]])[0], expected, atol=1e-6)


def test_validation_sees_plain_targets():
    X, y = iris()
    model = small(label_smoothing=0.3, early_stopping=True, max_iter=3).fit(X, y)
    given = small(label_smoothing=0.3, max_iter=3).fit(X, y, X_val=X, y_val=y)
    log_loss = sklearn.metrics.log_loss(y, given.predict_proba(X))
    assert given.validation_loss_curve_[-1] == pytest.approx(log_loss)
    assert len(model.validation_scores_) == 3


@pytest.fixture
def splits(monkeypatch):
    """The rows for training and for validation of each fit."""
    seen, train = [], base.train_or_meet

    def trained(task):
        seen.append((task.train, task.validation))
        return train(task)

    monkeypatch.setattr(base, "train_or_meet", trained)
    return seen


def test_validation_scores_do_not_use_class_weights(splits):
    X, y = iris()
    model = small(early_stopping=True, class_weight={0: 1.0, 1: 1.0, 2: 1e-6}, max_iter=30)
    model.fit(X, y)
    held_out = splits[0][1]
    assert held_out.weights is None
    best = np.mean(model.predict(held_out.X) == held_out.labels)
    assert model.best_validation_score_ == pytest.approx(best)
    assert model.best_validation_score_ < 0.9  # class 2 is not learned, and it counts


def test_early_stopping_holds_out_classes_in_proportion(splits):
    X, y = iris()
    order = np.random.default_rng(0).permutation(90)
    X, y = X[:90][order], np.where(np.arange(90)[order] < 60, 0, 1)  # two to one
    small(early_stopping=True, validation_fraction=0.2).fit(X, y)
    train, held_out = splits[0]
    assert (len(train), len(held_out)) == (72, 18)
    assert np.bincount(held_out.labels).tolist() == [12, 6]


def test_rare_classes_do_not_prevent_early_stopping():
    X, y = iris()
    y = y.copy()
    y[0] = 9
    model = small(early_stopping=True).fit(X, y)
    assert 9 in model.classes_
    assert model.predict_proba(X).shape == (150, 4)


def test_partial_fit_needs_all_classes_at_first():
    X, y = iris()
    model = small()
    with pytest.raises(ValueError, match="classes must be passed"):
        model.partial_fit(X, y)
    model.partial_fit(X[:60], y[:60], classes=[0, 1, 2])
    assert model.predict_proba(X).shape == (150, 3)
    with pytest.raises(ValueError, match="is not the same as on last call"):
        model.partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match=r"not seen before.*\[5\]"):
        model.partial_fit(X[:2], [0, 5])
    with pytest.raises(ValueError, match="balanced"):
        small(class_weight="balanced").partial_fit(X, y, classes=[0, 1, 2])


def test_partial_fit_of_labels_needs_no_classes():
    X, y = multilabel()
    model = small().partial_fit(X, y).partial_fit(X, y)
    assert model.predict(X).shape == y.shape


def test_class_weight_of_absent_classes_in_a_batch():
    X, y = iris()
    model = small(class_weight={0: 1.0, 1: 2.0, 2: 3.0})
    model.partial_fit(X[:60], y[:60], classes=[0, 1, 2])
    with pytest.raises(ValueError, match=r"'class_weight'.*\['x'\].*classes are"):
        small(class_weight={"x": 1.0}).fit(X, y)
    with pytest.raises(ValueError, match=r"'class_weight'.*at least zero"):
        small(class_weight={0: -1.0}).fit(X, y)


def test_bad_targets_are_refused():
    X, y = iris()
    for bad, message in [
        (X[:, 0], "Unknown label type: continuous"),
        (np.column_stack([y, y + 0.5]), "continuous-multioutput"),
        (np.column_stack([y > 0, y > 1]) + 1, "must be a multilabel indicator of 0 and 1"),
        (np.array([None, *y[1:]], dtype=object), "NaN|None|not supported|unknown"),
    ]:
        with pytest.raises((ValueError, TypeError), match=message):
            small().fit(X, bad)


def test_validation_classes_must_be_known():
    X, y = iris()
    with pytest.raises(ValueError, match=r"y_val has classes.*\[2\].*known classes"):
        small().fit(X[:100], y[:100], X_val=X, y_val=y)
    with pytest.raises(ValueError, match="y_val has shape"):
        small().fit(X, y, X_val=X, y_val=np.eye(3)[y].astype(int))


def test_warm_start_needs_known_classes():
    X, y = iris()
    model = small(warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match="same classes as in the previous call"):
        model.fit(X, y + 1)


@pytest.mark.parametrize("values", [(-1, 1), (1, 2), (0, 2)])
def test_multilabel_targets_must_be_zeros_and_ones(values):
    X, y = multilabel()
    with pytest.raises(ValueError, match="indicator of 0 and 1; got the values"):
        small().fit(X, np.where(y == 1, values[1], values[0]))


@pytest.mark.parametrize("classes", [[], [0, 1, np.nan], [None, 0, 1], [[0, 1]], "01"])
def test_bad_classes_of_partial_fit(classes):
    X, y = circles()
    with pytest.raises(ValueError, match="classes must be a list"):
        small().partial_fit(X, y, classes=classes)
    np.testing.assert_array_equal(small().partial_fit(X, y, classes={1, 0}).classes_, [0, 1])


@pytest.mark.parametrize(
    "class_weight", [{0: -1}, {0: np.nan}, {0: np.inf}, {0: None}, {0: "a"}, [{0: 1}], {0: 0, 1: 0}]
)
def test_bad_class_weights(class_weight):
    X, y = circles()
    with pytest.raises(ValueError, match="The 'class_weight' parameter of MLPClassifier must"):
        small(class_weight=class_weight).fit(X, y)


@pytest.mark.parametrize("class_weight", [{0: 1.0}, [{0: 1, 1: 5}]])
def test_bad_class_weights_of_labels(class_weight):
    X, y = multilabel()
    with pytest.raises(ValueError, match="'class_weight' parameter of MLPClassifier must"):
        small(class_weight=class_weight).fit(X, y)


def test_a_class_of_weight_zero_is_absent_from_batches():
    X, y = circles()
    model = small(batch_size=1, class_weight={0: 0, 1: 1}, max_iter=3).fit(X, y)
    expected = small(batch_size=1, max_iter=3).fit(X, y, (y == 1).astype(float))
    np.testing.assert_array_equal(model.coefs_[0], expected.coefs_[0])


def test_balanced_labels_count_sample_weights():
    X, y = multilabel()
    weights = np.random.default_rng(0).integers(0, 4, len(y))
    repeated = np.repeat(np.arange(len(y)), weights)
    parameters = {"class_weight": "balanced", "batch_size": "auto", "optimizer": "lbfgs"}
    weighted = small(**parameters).fit(X, y, weights)
    plain = small(**parameters).fit(X[repeated], y[repeated])
    np.testing.assert_allclose(weighted.coefs_[0], plain.coefs_[0], atol=1e-6)


def test_a_failed_refit_does_not_mix_two_fits():
    X, y = circles()
    model = small().fit(X, np.arange(len(y)) % 3)
    with pytest.raises(ValueError, match="y_val"):
        model.fit(X, y, X_val=X, y_val=np.full(len(y), 5))
    with pytest.raises(sklearn.exceptions.NotFittedError):
        model.predict_proba(X)


def test_bad_parameters_of_the_classifier():
    X, y = iris()
    for parameters in (
        {"class_weight": "even"},
        {"label_smoothing": 1.0},
        {"label_smoothing": -0.1},
    ):
        (name,) = parameters
        with pytest.raises(ValueError, match=f"The '{name}' parameter of MLPClassifier must be"):
            small(**parameters).fit(X, y)


def test_validation_rows_through_a_pipeline():
    X, y = iris()
    with sklearn.config_context(enable_metadata_routing=True):
        model = small(max_iter=5).set_fit_request(X_val=True, y_val=True)
        pipeline = make_pipeline(StandardScaler(), model, transform_input=["X_val"])
        pipeline.fit(10 * X + 3, y, X_val=10 * X[:30] + 3, y_val=y[:30])
    expected = small(max_iter=5).fit(
        StandardScaler().fit_transform(10 * X + 3),
        y,
        X_val=StandardScaler().fit(10 * X + 3).transform(10 * X[:30] + 3),
        y_val=y[:30],
    )
    assert pipeline[-1].validation_loss_curve_ == expected.validation_loss_curve_


def test_sample_weights_through_cross_validation():
    X, y = iris()
    result = cross_validate(
        make_pipeline(StandardScaler(), small()),
        X,
        y,
        params={"mlpclassifier__sample_weight": np.ones(len(y))},
        error_score="raise",
    )
    assert len(result["test_score"]) == 5


def test_meta_estimators():
    X, y = iris()
    model = MultiOutputClassifier(small()).fit(X, np.column_stack([y, y > 0]))
    assert model.predict(X).shape == (150, 2)


def test_stands_beside_svc_on_circles():
    X, y = circles()
    mlp = small(max_iter=300, learning_rate_init=0.02).fit(X, y)
    assert mlp.score(X, y) >= 0.95
    assert mlp.score(X, y) > SVC(kernel="linear").fit(X, y).score(X, y) + 0.2


def test_clone_and_repr():
    model = small(dropout=0.1)
    assert clone(model).get_params() == model.get_params()
    assert "dropout=0.1" in repr(model)


# Other losses


@pytest.mark.parametrize("loss", losses_of("classes"))
@pytest.mark.parametrize("kind", KINDS)
def test_every_loss_learns_every_kind_of_labels(kind, loss):
    X, y = KINDS[kind]()
    X = StandardScaler().fit_transform(X)
    model = small(loss=loss, max_iter=150, learning_rate_init=0.03).fit(X, y)
    assert f'"{loss}"' in (MLPClassifier.__doc__ or "")
    assert model.score(X, y) > (0.6 if kind == "multilabel" else 0.9)
    decision, predicted = model.decision_function(X), model.predict(X)
    assert decision.shape == (y.shape if kind != "multiclass" else (150, 3))
    chosen = decision.argmax(1) if kind == "multiclass" else decision > 0
    np.testing.assert_array_equal(predicted, chosen)
    restored = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(restored.decision_function(X), decision)


@pytest.mark.parametrize("kind", KINDS)
def test_probabilities_of_focal_agree_with_predictions(kind):
    X, y = KINDS[kind]()
    model = small(loss="focal", focal_gamma=1.0).fit(X, y)
    proba, chosen = model.predict_proba(X), model.predict(X)
    np.testing.assert_allclose(np.log(proba), model.predict_log_proba(X), rtol=1e-6, atol=1e-9)
    np.testing.assert_array_equal(chosen, proba > 0.5 if kind == "multilabel" else proba.argmax(1))


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge", lambda z, t: (z - t).square().sum(1)])
def test_losses_without_probabilities_have_no_methods_for_them(loss):
    X, y = circles()
    model = small(loss=loss)
    for name in ("predict_proba", "predict_log_proba"):
        assert not hasattr(model, name)
        with pytest.raises(AttributeError, match=name):
            getattr(model, name)
    assert not hasattr(model.fit(X, y), "predict_proba")
    assert not hasattr(model.set_params(loss="log_loss"), "predict_proba")  # as it was fitted
    assert hasattr(small().fit(X, y).set_params(loss=loss), "predict_proba")


def test_hinge_takes_no_shares_of_classes():
    X, y = circles()
    for loss in ("hinge", "squared_hinge"):
        with pytest.raises(ValueError, match=rf"'label_smoothing' .* no meaning for loss='{loss}'"):
            small(loss=loss, label_smoothing=0.1).fit(X, y)
    model = small(loss="focal", label_smoothing=0.1, max_iter=200, learning_rate_init=0.03)
    assert model.fit(X, y).score(X, y) > 0.9


def test_hinge_has_a_kink_and_its_square_has_none():
    X, y = iris()
    with pytest.raises(ValueError, match=r"'loss' parameter.*smooth.*such as 'squared_hinge'"):
        small(loss="hinge", optimizer="lbfgs").fit(X, y)
    for loss in ("squared_hinge", "focal"):
        assert small(loss=loss, optimizer="lbfgs").fit(X, y).score(X, y) > 0.95


@pytest.mark.parametrize("values", [("loss", ["crossentropy", None]), ("focal_gamma", [-1, "a"])])
def test_bad_losses_and_options_are_refused(values):
    X, y = circles()
    name, bad = values
    for value in bad:
        with pytest.raises(ValueError, match=f"The '{name}' parameter of MLPClassifier must be"):
            small(**{name: value}).fit(X, y)


# Several columns of classes


def columns():
    """Columns of three, two and four classes."""
    X, y = iris()
    return X, np.column_stack([y, 3 + (X[:, 1] > 0), np.digitize(X[:, 2], [-1, 0, 1])])


@pytest.mark.parametrize("loss", losses_of("classes"))
@pytest.mark.parametrize("names", [None, np.array(["a", "b", "c", "dd", "e"])])
def test_columns_have_classes_of_their_own(loss, names):
    X, y = columns()
    y = y if names is None else names[y]
    model = small(loss=loss, max_iter=150).fit(X, y)
    assert [list(each) for each in model.classes_] == [sorted(set(column)) for column in y.T]
    predicted = model.predict(X)
    assert predicted.dtype == y.dtype
    assert model.score(X, y) == (predicted == y).all(1).mean() > 0.7
    assert [part.shape[1] for part in model.decision_function(X)] == [3, 2, 4]
    for j, part in enumerate(model.decision_function(X)):
        np.testing.assert_array_equal(model.classes_[j][part.argmax(1)], predicted[:, j])
    if hasattr(model, "predict_proba"):
        pairs = zip(model.predict_proba(X), model.predict_log_proba(X), strict=True)
        for proba, log_proba in pairs:
            np.testing.assert_allclose(proba.sum(1), 1.0)
            np.testing.assert_allclose(np.log(proba), log_proba, rtol=1e-6, atol=1e-9)
    assert pickle.loads(pickle.dumps(model)).score(X, y) == model.score(X, y)


@pytest.mark.parametrize("executor", ["torch", "compiled"])
@pytest.mark.parametrize("loss", ["log_loss", "squared_hinge"])
def test_columns_of_a_linear_network_are_classifiers_of_their_own(loss, executor):
    X, y = columns()
    y = y[:, [0, 2]]
    exact = {"hidden_layer_sizes": (), "optimizer": "lbfgs", "tol": 1e-9, "max_iter": 5000}
    with skmlp.config(executor=executor):
        together = small(loss=loss, alpha=1.0, **exact).fit(X, y)
        for part, column in zip(together.decision_function(X), y.T, strict=True):
            alone = small(loss=loss, alpha=1.0, **exact).fit(X, column)
            expected = alone.decision_function(X)
            np.testing.assert_allclose(  # equal but for a shift, which changes nothing
                part - part.mean(1, keepdims=True),
                expected - expected.mean(1, keepdims=True),
                atol=1e-4,
            )


def test_columns_of_another_kind_are_refused():
    X, y = columns()
    model = small().fit(X, y)
    bad = y.copy()
    bad[3, 1] = 9
    with pytest.raises(ValueError, match=r"y_val\[:, 1\] has classes .*\[9\]"):
        small().fit(X, y, X_val=X, y_val=bad)
    for other in (y[:, :2], y[:, 0]):
        with pytest.raises(ValueError, match=r"y has shape .* fitted for 3 columns"):
            model.partial_fit(X, other)
    with pytest.raises(ValueError, match="same classes as in the previous call"):
        model.set_params(warm_start=True).fit(X[:50], y[:50])
    with pytest.raises(ValueError, match=r"cannot be compared.*give them one type"):
        small().fit(X, np.column_stack([y.astype(str).astype(object)[:, 0], y.astype(object)]))


def test_columns_are_scored_against_as_many():
    X, y = columns()
    model = small().fit(X, y)
    with pytest.raises(ValueError, match=r"y has shape \(150, 2\), .* fitted for 3 columns"):
        model.score(X, y[:, :2])
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[10, 150"):
        model.score(X, y[:10])
    frame = pd.DataFrame(np.array(list("abcde"))[y], columns=["one", "two", "three"])
    assert small(max_iter=150).fit(X, frame).score(X, frame) > 0.7


@pytest.mark.parametrize("loss", losses_of("classes"))
def test_one_class_is_learned_by_every_loss(loss):
    X, y = columns()
    assert set(small(loss=loss).fit(X, np.full(150, 7)).predict(X)) == {7}
    y[:, 1] = 4
    assert (small(loss=loss).fit(X, y).predict(X)[:, 1] == 4).all()


def test_partial_fits_of_columns_are_one_fit():
    X, y = columns()
    model, classes = small(max_iter=3, tol=0.0), [[0, 1, 2], [4, 3], np.arange(4)]
    whole, steps = clone(model).fit(X, y), clone(model)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        steps.partial_fit(X, y)
    with pytest.raises(ValueError, match="classes has 2 lists, but y has 3 columns"):
        steps.partial_fit(X, y, classes=classes[:2])
    with pytest.raises(ValueError, match="a list of labels for each column"):
        steps.partial_fit(X, y, classes=[0, 1, 2, 3, 4])
    for _ in range(3):
        steps.partial_fit(X, y, classes=classes)
    np.testing.assert_array_equal(steps.coefs_[0], whole.coefs_[0])
    with pytest.raises(ValueError, match="not the same as on last call"):
        steps.partial_fit(X, y, classes=[[0, 1, 2], [3, 4], [0, 1]])
    # rows that look like labels are columns where the classes say so
    few = np.flatnonzero((y[:, 0] < 2) & (y[:, 2] < 2))
    of_bits = small().partial_fit(X[few], y[few][:, [0, 2]], classes=[[0, 1, 2], [0, 1, 2, 3]])
    assert [part.shape[1] for part in of_bits.predict_proba(X)] == [3, 4]


def test_class_weights_of_columns_are_multiplied():
    X, y = columns()
    given = [{0: 2.0}, {3: 0.5, 4: 3.0}, {}]
    weights = np.where(y[:, 0] == 0, 2.0, 1.0) * np.where(y[:, 1] == 3, 0.5, 3.0)
    by_class, by_row = small(class_weight=given).fit(X, y), small().fit(X, y, weights)
    np.testing.assert_array_equal(by_class.coefs_[0], by_row.coefs_[0])
    assert small(class_weight="balanced").fit(X, y).score(X, y, weights) > 0
    with pytest.raises(ValueError, match=r"has weights for \[7\], but the classes are .*3, 4"):
        small(class_weight=[{}, {7: 1.0}, {}]).fit(X, y)
    with pytest.raises(ValueError, match=r"a list with a dict per column"):
        small(class_weight={0: 1.0}).fit(X, y)


def test_early_stopping_looks_at_whole_rows_of_columns():
    X, y = columns()
    model = small(early_stopping=True, max_iter=60, tol=0.0)
    model.fit(X[::2], y[::2], X_val=X[1::2], y_val=y[1::2])
    score = model.score(X[1::2], y[1::2])
    assert score == pytest.approx(model.best_validation_score_) == max(model.validation_scores_)
    search = GridSearchCV(small(), {"max_iter": [1, 50]}, error_score="raise")
    search.set_params(cv=KFold(3, shuffle=True, random_state=0)).fit(X, y)
    assert search.best_params_ == {"max_iter": 50}


# Losses of the user's own


def cross_entropy(z, t):
    if z.shape[1] == 1:
        return (softplus(z) - t * z).sum(1)
    return -(t * z.log_softmax(1)).sum(1)


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
@pytest.mark.parametrize("kind", ["binary", "multiclass", "columns"])
def test_own_losses_train_as_those_of_the_table(kind, optimizer):
    X, y = columns() if kind == "columns" else KINDS[kind]()
    parameters = {"optimizer": optimizer, "label_smoothing": 0.1, "early_stopping": True}
    own, named = small(loss=cross_entropy, **parameters), small(**parameters)
    np.testing.assert_allclose(own.fit(X, y).coefs_[0], named.fit(X, y).coefs_[0], rtol=1e-6)
    np.testing.assert_allclose(own.validation_scores_, named.validation_scores_)
    np.testing.assert_array_equal(own.predict(X), named.predict(X))
    assert clone(own).loss is cross_entropy
    restored = pickle.loads(pickle.dumps(own))
    np.testing.assert_array_equal(restored.predict(X), own.predict(X))


def test_networks_with_one_loss_of_the_users_share_a_stack(monkeypatch):
    sizes, stack = [], stacks.Stack

    def counted(tasks, *others):
        sizes.append(len(tasks))
        return stack(tasks, *others)

    monkeypatch.setattr(stacks, "Stack", counted)
    X, y = iris()
    search = GridSearchCV(small(loss=cross_entropy, max_iter=5), {"alpha": [1e-4, 1.0]}, cv=3)
    with skmlp.fused():
        fused = clone(search).fit(X, y)
    assert sizes == [6, 1]  # and the refit
    alone = clone(search).fit(X, y)
    scores = [found.cv_results_["mean_test_score"] for found in (fused, alone)]
    np.testing.assert_allclose(*scores)


def test_a_loss_that_fails_fails_alone():
    X, y = iris()

    def mean(z, t):
        return (z - t).square().mean()

    grid = {"loss": ["log_loss", mean, cross_entropy]}
    search = GridSearchCV(small(max_iter=5), grid, cv=2, refit=False, error_score=np.nan)
    with skmlp.fused(), warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        search.fit(X, y)
    assert any("gave shape ()" in str(one.message) for one in told)
    assert np.isnan(search.cv_results_["mean_test_score"]).tolist() == [False, True, False]

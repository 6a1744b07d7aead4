import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR, LinearSVC

from skmlp import MLPClassifier
from skmlp.comparison.size import SUPPORT_VECTORS, Size, model_size

rng = np.random.default_rng(0)
X, y = rng.normal(size=(60, 4)), np.arange(60) % 3


@pytest.fixture(autouse=True)
def globals_untouched():
    """SVR has no random_state, and draws a seed from NumPy's global generator."""


def test_a_network_has_weights_and_biases():
    model = MLPClassifier((5,), max_iter=1, random_state=0).fit(X, y)
    assert model_size(model) == Size((4 + 1) * 5 + (5 + 1) * 3, "parameters")


def test_whatever_else_predictions_need_counts_too():
    plain = MLPClassifier((5, 5, 4), max_iter=1, random_state=0)
    normalized = MLPClassifier((5, 5, 4), normalization="batch", max_iter=1, random_state=0)
    residual = MLPClassifier((5, 5, 4), residual=True, max_iter=1, random_state=0)
    counts = [model_size(model.fit(X, y)).count for model in (plain, normalized, residual)]
    assert counts[1] - counts[0] == 4 * (5 + 5 + 4)  # scales, shifts, means, variances
    assert counts[2] - counts[0] == 5 * 4 + 1  # the skip's matrix, and the block's probability


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_a_kernel_machine_has_support_vectors_times_features(kernel):
    model = SVC(kernel=kernel).fit(X, y)
    assert model_size(model) == Size(model.n_support_.sum() * 4, SUPPORT_VECTORS)


def test_a_linear_model_has_coefficients_and_intercepts():
    assert model_size(LogisticRegression().fit(X, y)).count == 3 * (4 + 1)


def test_nystroem_counts_its_landmarks_its_matrix_and_the_machine():
    model = make_pipeline(Nystroem(n_components=10, random_state=0), LinearSVC(random_state=0))
    expected = 10 * 4 + 10 * 10 + 3 * (10 + 1)
    assert model_size(model.fit(X, y)) == Size(expected, "parameters")


@pytest.mark.parametrize(
    ("wrap", "inner"),
    [
        (lambda: make_pipeline(StandardScaler(), LogisticRegression()), 15),
        (lambda: GridSearchCV(LogisticRegression(), {"C": [1]}), 15),
        (lambda: CalibratedClassifierCV(LinearSVC(), ensemble=False), 15),
        (lambda: TransformedTargetRegressor(LinearRegression()), 5),
    ],
)
def test_what_is_wrapped_is_counted(wrap, inner):
    assert model_size(wrap().fit(X, y)).count == inner


def test_a_wrapped_machine_keeps_its_unit():
    model = TransformedTargetRegressor(SVR()).fit(X, y)
    assert model_size(model).unit == SUPPORT_VECTORS


def test_of_others_nothing_is_known():
    size = model_size(KNeighborsClassifier().fit(X, y))
    assert np.isnan(size.count)
    assert size.unit == ""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_circles, make_moons
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import LinearSVC
from sklearn.utils import Bunch

from skmlp.comparison import InputError, load_dataset, named

SHAPES = {
    "circles": ((1000, 2), 2),
    "moons": ((1000, 2), 2),
    "spirals": ((1000, 2), 2),
    "blobs": ((1000, 2), 4),
    "digits": ((1797, 64), 10),
    "breast_cancer": ((569, 30), 2),
    "wine": ((178, 13), 3),
    "iris": ((150, 4), 3),
    "diabetes": ((442, 10), 0),
}


@pytest.mark.parametrize("name", SHAPES)
def test_named_sets_have_their_known_shapes(name):
    shape, n_classes = SHAPES[name]
    dataset = load_dataset(name)
    assert dataset.X.shape == shape
    assert len(dataset.classes) == n_classes
    assert dataset.task == ("classification" if n_classes else "regression")
    assert dataset.is_planar == (shape[1] == 2)
    assert dataset.name == name


def test_the_source_makes_the_same_data():
    X, y = make_circles(n_samples=1000, noise=0.15, factor=0.5, random_state=0)
    circles = load_dataset("circles")
    np.testing.assert_array_equal(circles.X, X)
    np.testing.assert_array_equal(circles.y, y)
    moons = load_dataset("moons")
    assert moons.source == "sklearn.datasets.make_moons(n_samples=1000, noise=0.25, random_state=0)"
    np.testing.assert_array_equal(
        moons.X, make_moons(n_samples=1000, noise=0.25, random_state=0)[0]
    )


def test_classes_have_the_names_of_their_source():
    assert load_dataset("breast-cancer").classes == ("benign", "malignant")


def test_spirals_are_mirror_images_that_no_line_separates():
    X, y = named.make_spirals(400, noise=0)
    angle = 2 * np.pi * 1.5 * np.linalg.norm(X, axis=1) / 10
    along = np.stack([np.cos(angle), np.sin(angle)], axis=1) * np.where(y == 0, 1, -1)[:, None]
    np.testing.assert_allclose(X, along * np.linalg.norm(X, axis=1, keepdims=True), atol=1e-12)
    X, y = named.make_spirals()
    half = np.arange(1000) < 500
    assert LinearSVC(random_state=0).fit(X[half], y[half]).score(X[~half], y[~half]) < 0.75
    assert KNeighborsClassifier().fit(X[half], y[half]).score(X[~half], y[~half]) > 0.9


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(InputError) as caught:
        load_dataset("roses")
    assert "'roses'" in str(caught.value)
    assert all(name in str(caught.value) for name in [*named.NAMED, "openml:ID", ".csv"])


@pytest.fixture
def openml(monkeypatch):
    """Stands for the service, and keeps what it was asked for."""
    asked = []

    def fetch(**options):
        asked.append(options)
        if options["data_id"] == 404:
            raise ValueError("Dataset 404 was not found")
        frame = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0], "b": pd.Categorical(["x", "y"] * 2)})
        target = None if options["data_id"] == 1 else pd.Series(["u", "v"] * 2, name="class")
        return Bunch(data=frame, target=target)

    monkeypatch.setattr(named.datasets, "fetch_openml", fetch)
    return asked


def test_openml_sets_are_fetched_by_their_number(openml):
    dataset = load_dataset("openml:61")
    assert openml == [{"data_id": 61, "as_frame": True, "parser": "auto"}]
    assert dataset.classes == ("u", "v")
    assert dataset.text_columns == ["b"]
    assert dataset.source == "sklearn.datasets.fetch_openml(data_id=61)"


def test_a_target_can_be_named_for_openml(openml):
    load_dataset("openml:61", target="width", task="classification")
    assert openml[0]["target_column"] == "width"


def test_mnist_is_the_flat_one(openml):
    assert load_dataset("mnist").name == "mnist"
    assert openml[0]["data_id"] == 554


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("openml:404", "404 of OpenML cannot be fetched.*not found.*network"),
        ("openml:1", "no target.*--target"),
        ("openml:iris", "expected a number after 'openml:'"),
    ],
)
def test_what_openml_has_not_is_explained(openml, name, words):
    with pytest.raises(InputError, match=words):
        load_dataset(name)

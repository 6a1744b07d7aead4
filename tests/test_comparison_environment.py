import platform

import numpy
import sklearn

from skmlp._version import __version__
from skmlp.comparison import describe_environment


def test_versions_are_those_in_use():
    environment = describe_environment()
    assert environment["skmlp"] == __version__
    assert environment["Python"] == platform.python_version()
    assert environment["NumPy"] == numpy.__version__
    assert environment["scikit-learn"] == sklearn.__version__


def test_the_machine_is_described():
    environment = describe_environment()
    assert int(environment["cores"]) >= 1
    assert environment["processor"]

import pytest

from skmlp.comparison.errors import MissingExtraError, import_extra


def test_an_installed_module_is_returned():
    assert import_extra("json.decoder").JSONDecoder


def test_a_missing_package_names_the_extra():
    with pytest.raises(MissingExtraError, match=r'no_such_package.*pip install "skmlp\[compare\]"'):
        import_extra("no_such_package.part")

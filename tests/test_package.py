from __future__ import annotations

import skmlp


def test_dir_lists_all_that_users_import():
    assert set(skmlp.__all__) <= set(dir(skmlp))
    assert {"MLPClassifier", "MLPRegressor", "compare", "fused"} <= set(skmlp.__all__)
    assert not {"Any", "TYPE_CHECKING"} & set(dir(skmlp))

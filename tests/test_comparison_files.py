import gzip

import numpy as np
import pandas as pd
import pytest

from skmlp.comparison import InputError, read_file


@pytest.fixture
def table():
    return pd.DataFrame(
        {
            "size": [1.5, None, 3.0, 4.0, 5.0, 6.0],
            "colour": ["red", "blue", None, "red", "blue", "red"],
            "spotted": [True, False, True, False, True, False],
            "kind": ["cat", "dog", "cat", "dog", "cat", "dog"],
        }
    )


def write(tmp_path, table, name="pets.csv", **kwargs):
    path = tmp_path / name
    table.to_csv(path, index=False, **kwargs)
    return path


def test_a_csv_keeps_numbers_and_turns_text_into_categories(tmp_path, table):
    dataset = read_file(write(tmp_path, table), "kind")
    assert dataset.text_columns == ["colour"]
    assert dataset.X["size"].dtype == float
    assert dataset.X["colour"].isna().sum() == 1
    assert dataset.classes == ("cat", "dog")
    assert dataset.name == "pets.csv"


@pytest.mark.parametrize("name", ["pets.csv.gz", "pets.csv.zip"])
def test_a_compressed_csv_reads_the_same(tmp_path, table, name):
    plain = read_file(write(tmp_path, table), "kind")
    packed = read_file(write(tmp_path, table, name), "kind")
    pd.testing.assert_frame_equal(plain.X, packed.X)
    np.testing.assert_array_equal(plain.y, packed.y)


def test_parquet_reads_the_same(tmp_path, table):
    path = tmp_path / "pets.parquet"
    table.to_parquet(path)
    stored = read_file(path, "kind")
    plain = read_file(write(tmp_path, table), "kind")
    pd.testing.assert_frame_equal(plain.X, stored.X)
    np.testing.assert_array_equal(plain.y, stored.y)


def test_numbers_make_a_regression(tmp_path, table):
    dataset = read_file(write(tmp_path, table.dropna()), "size", task="regression")
    assert dataset.y.tolist() == [1.5, 4, 5, 6]
    assert dataset.task == "regression"


def test_row_numbers_and_empty_columns_are_left_out_and_noted(tmp_path, table):
    path = tmp_path / "pets.csv"
    table.assign(blank=np.nan).to_csv(path)  # with the index
    dataset = read_file(path, "kind")
    assert list(dataset.X.columns) == ["size", "colour", "spotted"]
    assert "row numbers" in dataset.notes[0]
    assert "blank" in dataset.notes[1]


def test_a_comma_at_the_end_of_every_row_does_no_harm(tmp_path):
    path = tmp_path / "trailing.csv"
    path.write_text("a,b,kind\n1,2,cat,\n3,4,dog,\n")
    dataset = read_file(path, "kind")
    assert dataset.X.to_numpy().tolist() == [[1, 2], [3, 4]]


BAD_FILES = {
    "empty": (b"", "is empty"),
    "header only": (b"a,b,kind\n", "no rows"),
    "semicolons": (b"a;kind\n1;x\n", "separated by ';'"),
    "prose": (b"hello\nworld\n", "single column"),
    "binary": (b"\x89PNG\r\n\xff\xfe\x00", "not a comma-separated UTF-8 text file"),
    "ragged": (b"a,kind\n1,2\n1,2,3,4,5\n", "not a comma-separated UTF-8 text file"),
    "short header": (b"a,kind\n1,x,7\n2,y,8\n", "more values than the header"),
    "infinite": (b"a,kind\ninf,x\n2,y\n", "'a' holds infinite values"),
    "target alone": (b"kind,blank\nx,\ny,\n", "No feature columns"),
    "text in numbers": (
        b"a,kind\n" + b"1,x\n2,y\n" * 5 + b"?,x\n",
        r"'a' holds numbers, but '\?' in row 10",
    ),
    "missing target": (b"a,kind\n1,x\n2,\n3,y\n", "'kind' is missing in 1 of 3 rows"),
    "constant target": (b"a,kind\n1,x\n2,x\n", "'kind' is x in every row"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_is_named_with_its_trouble(tmp_path, case):
    content, words = BAD_FILES[case]
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        read_file(path, "kind")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"No such file.*nowhere\.csv"):
        read_file(tmp_path / "nowhere.csv", "kind")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(InputError, match="Cannot read"):
        read_file(tmp_path, "kind")


def test_broken_files_are_named(tmp_path):
    not_gzip = tmp_path / "fake.csv.gz"
    not_gzip.write_text("a,b\n")
    with pytest.raises(InputError, match="Cannot read"):
        read_file(not_gzip, "kind")
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(gzip.compress(b"a,kind\n" + b"1,x\n" * 500)[:-12])
    with pytest.raises(InputError, match="not complete"):
        read_file(cut, "kind")
    not_parquet = tmp_path / "fake.parquet"
    not_parquet.write_text("a,b\n")
    with pytest.raises(InputError, match="not a Parquet file"):
        read_file(not_parquet, "kind")


@pytest.mark.parametrize("target", [None, "weight"])
def test_a_target_is_never_guessed_and_the_columns_are_listed(tmp_path, table, target):
    with pytest.raises(InputError, match=r"--target.*size, colour, spotted, kind") as caught:
        read_file(write(tmp_path, table), target)
    assert target is None or "'weight'" in str(caught.value)

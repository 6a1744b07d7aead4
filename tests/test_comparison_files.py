import bz2
import gzip
import lzma
import re
import sys
import zipfile
from decimal import Decimal
from io import BytesIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from skmlp.comparison import InputError, read_file
from skmlp.comparison.delimited import MARKS


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
    "ragged semicolons": (b"a;kind\n1;x;2\n2;y;2\n", "separated by semicolons.*more values"),
    "thousands or decimals": (
        b"a;b;kind\n1,234;1;x\n2,345;2;y\n",
        "separated by semicolons and holds numbers such as '1,234', whose comma may.*thousands",
    ),
    "points and commas": (b"a;b;kind\n1,5;1.5;x\n2,5;2;y\n", "both '1,5' and '1.5'"),
    "thousands and decimals": (
        b"a;kind\n1.234,5;x\n2.345,5;y\n",
        "'1.234,5', whose marks can be read in two ways: export it with points",
    ),
    "text in decimal commas": (
        b"a;kind\n" + b"1,5;x\n2,5;y\n" * 5 + b"?;x\n",
        r"'a' holds numbers, but '\?' in row 10",
    ),
    "decimal commas between commas": (b"a,b,kind\n1,5,2,5,x\n", "if commas are decimal marks"),
    "two columns of one name": (b"a,b,a,kind\n1,2,3,x\n", "two columns named 'a': rename one"),
    "two targets": (b"a,kind,kind\n1,x,x\n2,y,y\n", "two columns named 'kind'"),
    "two targets by semicolons": (b"a;kind;kind\n1;x;x\n2;y;y\n", "two columns named 'kind'"),
    "two targets after a mark of the encoding": (
        b"\xef\xbb\xbfkind,a,kind\nx,1,x\ny,1,y\n",
        "two columns named 'kind'",
    ),
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


PACKERS = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


@pytest.mark.parametrize("ending", PACKERS)
def test_a_copy_of_the_target_under_its_name_is_refused_in_a_compressed_file_too(tmp_path, ending):
    path = tmp_path / f"twins.csv{ending}"
    path.write_bytes(PACKERS[ending](b"a,y,y\n1,x,x\n2,z,z\n"))
    with pytest.raises(InputError, match=r"twins\.csv.* has two columns named 'y': rename one"):
        read_file(path, "y")


def test_two_columns_of_one_name_in_a_parquet_file_are_refused(tmp_path):
    column = pa.array([1, 2])
    pq.write_table(pa.table([column] * 3, names=["a", "y", "y"]), tmp_path / "twins.parquet")
    with pytest.raises(InputError, match=r"twins\.parquet.* has two columns named 'y': rename one"):
        read_file(tmp_path / "twins.parquet", "y")


def test_names_that_pandas_would_give_to_twins_are_names_like_others(tmp_path):
    path = tmp_path / "names.csv"
    path.write_text("y,y.1,kind\n1,2,a\n3,4,b\n")
    assert list(read_file(path, "kind").X.columns) == ["y", "y.1"]


def test_row_numbers_that_were_written_twice_are_left_out_twice(tmp_path, table):
    write(tmp_path, table)
    for _ in range(2):
        pd.read_csv(tmp_path / "pets.csv").to_csv(tmp_path / "pets.csv")
    dataset = read_file(tmp_path / "pets.csv", "kind")
    assert list(dataset.X.columns) == ["size", "colour", "spotted"]


HUGE = 2**70


@pytest.fixture
def decimals(tmp_path):
    cents = [Decimal(n) / 100 for n in range(150, 2150, 50)]
    columns = {
        "price": pa.array([None, *cents[1:]], pa.decimal128(12, 2)),
        "serial": pa.array([Decimal(HUGE + n) for n in range(40)], pa.decimal128(38, 0)),
        "cost": pa.array(cents, pa.decimal256(50, 2)),
        "stars": pa.array([Decimal(n % 5) for n in range(40)], pa.decimal128(3, 0)),
    }
    path = tmp_path / "decimals.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def test_decimals_and_integers_beyond_64_bits_in_parquet_are_numbers(decimals):
    dataset = read_file(decimals, "stars")
    assert dataset.text_columns == []
    assert np.isnan(dataset.X["price"][0])
    assert dataset.X["price"].tolist()[1:] == [n / 100 for n in range(200, 2150, 50)]
    assert dataset.X["serial"].tolist() == [float(HUGE + n) for n in range(40)]


def test_a_decimal_target_is_a_number(decimals):
    dataset = read_file(decimals, "cost")
    assert dataset.task == "regression"
    assert dataset.y.tolist() == [n / 100 for n in range(150, 2150, 50)]
    few = read_file(decimals, "stars")
    assert (few.task, few.classes) == ("classification", (0, 1, 2, 3, 4))
    assert read_file(decimals, "stars", "regression").y.dtype == float


def test_integers_beyond_64_bits_in_a_csv_are_numbers(tmp_path):
    path = tmp_path / "huge.csv"
    path.write_text(f"a,b,kind\n{HUGE},1,x\n-{HUGE},,y\n,2,x\n")
    dataset = read_file(path, "kind")
    assert dataset.text_columns == []
    assert dataset.X["a"].tolist()[:2] == [float(HUGE), -float(HUGE)]
    assert np.isnan(dataset.X["a"][2])


def test_classes_that_a_float_cannot_tell_apart_stay_apart(tmp_path):
    path = tmp_path / "huge.csv"
    path.write_text("a,kind\n" + f"1,{HUGE}\n2,{HUGE + 1}\n" * 10)
    assert read_file(path, "kind").classes == (str(HUGE), str(HUGE + 1))
    with pytest.raises(InputError, match="as far as a float can tell"):
        read_file(path, "kind", "regression")


@pytest.mark.parametrize("mark", MARKS)
def test_another_mark_than_the_comma_is_read_and_noted(tmp_path, table, mark):
    plain = read_file(write(tmp_path, table), "kind")
    marked = read_file(write(tmp_path, table, "marked.csv", sep=mark), "kind")
    pd.testing.assert_frame_equal(plain.X, marked.X)
    np.testing.assert_array_equal(plain.y, marked.y)
    assert marked.notes[0] == f"Separated by {MARKS[mark]}."
    assert not any("Separated" in note for note in plain.notes)


def test_decimal_commas_are_read_and_noted(tmp_path):
    table = pd.DataFrame(
        {
            "a": [1.5, np.nan, 3.25, -0.125],
            "b": [1, 2, 3, 4],
            "c": ["x,y", "z", "1,5", "w"],
            "y": [0.001, 1e-9, 2.5, 12345.678],
        }
    )
    dataset = read_file(write(tmp_path, table, sep=";", decimal=","), "y")
    assert dataset.task == "regression"
    assert dataset.text_columns == ["c"]
    assert dataset.X["c"].tolist() == table["c"].tolist()
    np.testing.assert_array_equal(dataset.X[["a", "b"]], table[["a", "b"]])
    np.testing.assert_array_equal(dataset.y, table["y"])
    assert dataset.notes[0] == "Separated by semicolons; commas were read as decimal marks."


def test_one_comma_that_can_only_be_decimal_decides_for_all(tmp_path):
    path = tmp_path / "some.csv"
    for value, number in (("0,5", 0.5), ("1,25", 1.25), ("1234,567", 1234.567), (",125", 0.125)):
        path.write_text(f"a;b;kind\n1,234;5;x\n{value};6;y\n")
        assert read_file(path, "kind").X["a"].tolist() == [1.234, number]


def test_points_stay_points_and_dates_stay_text_between_semicolons(tmp_path):
    path = tmp_path / "some.csv"
    path.write_text("a;day;kind\n1.5;12.03.2020;x\n2.5;13.03.2020;y\n")
    dataset = read_file(path, "kind")
    assert dataset.X["a"].tolist() == [1.5, 2.5]
    assert dataset.X["day"].tolist() == ["12.03.2020", "13.03.2020"]


def encrypted_zip():
    """A ZIP archive whose only member says that it is encrypted."""
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("pets.csv", "a,kind\n1,x\n")
    found = bytearray(packed.getvalue())
    found[6] |= 1  # in the local header
    found[found.index(b"PK\x01\x02") + 8] |= 1  # and in the directory
    return bytes(found)


DAMAGED = {
    "pets.csv.zip": b"PK\x03\x04 this is no archive",
    "pets.csv.xz": b"this is no archive",
    "pets.csv.bz2": b"this is no archive",
    "pets.csv.gz": b"\x1f\x8b\x08\x00 this is no archive",
    "pets.tar.gz": b"this is no archive",
    "cut.csv.xz": lzma.compress(b"a,kind\n" + b"1,x\n" * 500)[:-12],
    "cut.csv.bz2": bz2.compress(b"a,kind\n" + b"1,x\n" * 500)[:-12],
    "locked.csv.zip": encrypted_zip(),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_archive_is_one_line(tmp_path, name):
    (tmp_path / name).write_bytes(DAMAGED[name])
    with pytest.raises(InputError, match=re.escape(name)) as caught:
        read_file(tmp_path / name, "kind")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "library"), [("pets.csv.zst", "zstandard"), ("pets.parquet", "pyarrow")]
)
def test_a_missing_library_is_named_with_how_to_install_it(tmp_path, monkeypatch, name, library):
    (tmp_path / name).write_bytes(b"\x28\xb5\x2f\xfd")
    missing = [library, "pyarrow.parquet", "fastparquet", "compression.zstd", "backports.zstd"]
    for module in missing:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=rf"need {library}.*pip install {library}\.") as caught:
        read_file(tmp_path / name, "kind")
    assert (library == "pyarrow") == ("Parquet" in str(caught.value))


@pytest.mark.parametrize("target", [None, "weight"])
def test_a_target_is_never_guessed_and_the_columns_are_listed(tmp_path, table, target):
    with pytest.raises(InputError, match=r"--target.*size, colour, spotted, kind") as caught:
        read_file(write(tmp_path, table), target)
    assert target is None or "'weight'" in str(caught.value)

"""CSV files as spreadsheets write them: read without a guess, or refused by name."""

import pytest

import costmodel as cm
from costmodel.foundation.csv_files import read_content
from costmodel.foundation.tables import read_csv


@pytest.mark.parametrize(
    "content",
    [
        b"name,price\nH100,2.5\n",
        b"\xef\xbb\xbfname,price\r\nH100,2.5\r\n",
        b"name;price\nH100;2,5\n",
        b"name\tprice\nH100\t2,5\n",
        b"sep=;\nname;price\nH100;2,5\n",
        b" name , price,,\nH100,2.5,,\n,,,\n",
        b'"name";"price"\n"H100";"2,5"\n',
        b"name,price\rH100,2.5\r",
    ],
    ids=["plain", "bom-crlf", "semicolon", "tab", "sep", "trailing", "quoted", "cr"],
)
def test_the_dialects_of_spreadsheets_give_one_table(content):
    read = read_content(content, "prices.csv")
    assert read.columns == ("name", "price")
    assert read.rows == ({"name": "H100", "price": "2.5"},)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it has no header"),
        (b"\n\n", "it has no header"),
        (b"a,a\n1,2\n", "has the column a twice"),
        (b"a,,b\n1,2,3\n", "column 2 has no name"),
        (b"a,b\n1\n", "line 2 has more or fewer cells"),
        (b"a,b\n1,2,3\n", "line 2 has more or fewer cells"),
        ("name,price\nü,2\n".encode("latin-1"), "line 2 has another encoding, near .*save the file as CSV UTF-8"),
        ("a,b\n1,2\n".encode("utf-16"), "is not a CSV file in UTF-8"),
        (b"a,b\n1,\x00\n", "null bytes"),
        (b'a,b\n"1,2\n', "is not a CSV file in UTF-8"),
        (b"a;b\n1,5;2.5\n", "decimal commas in a and a point in row 2: '2.5'"),
        (b"x" * 200_000, "is not a CSV file in UTF-8: field larger"),
        (b",".join(b"c%d" % i for i in range(10_001)), "at most 10,000 are read"),
        (b"a" + b"," * 3_000_001, "more than 3,000,000 cells"),
    ],
)
def test_what_is_no_table_is_refused_by_name(content, message):
    with pytest.raises(cm.InputError, match=message) as caught:
        read_content(content, "prices.csv")
    assert "prices.csv" in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_text_with_a_comma_stays_a_text():
    rows = read_content(b"name;note\nH100;2,5 USD\nA100;3,5\n", "t.csv").rows
    assert [row["note"] for row in rows] == ["2,5 USD", "3,5"]


def test_a_header_alone_is_a_table_without_rows(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"a,b\r\n")
    table = read_csv(tmp_path / "t.csv")
    assert (table.columns, table.rows) == (("a", "b"), ())

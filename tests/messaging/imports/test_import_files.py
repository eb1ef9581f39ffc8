"""What a file is, told from its content; and what is done with one that is not what it should be."""

import json
from pathlib import Path

import pytest

from event_stream_engine.messaging.files import FileUnreadable, Record, Shape, inspect, open_rows
from event_stream_engine.messaging.files.records import RECORD_CHARACTERS_MAX
from tests.messaging.imports.conftest import DATA, Importer

HEADER = "phone,name\n"
ROW = "+14155550101,Łukasz\n"


def recognised(tmp_path: Path, content: bytes) -> Shape:
    path = tmp_path / "file"
    path.write_bytes(content)
    return inspect(path)


def read(tmp_path: Path, content: bytes, columns: list[str] | None = None) -> list[Record]:
    rows = open_rows(str(tmp_path / "file"), recognised(tmp_path, content), columns)
    try:
        return list(rows)
    finally:
        rows.close()


@pytest.mark.parametrize(
    ("encoded", "expected"),
    [
        ("utf-8", "utf-8"), ("utf-8-sig", "utf-8"), ("utf-16", "utf-16-le"), ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
    ],
)  # fmt: skip
def test_unicode_is_recognised_with_and_without_mark(tmp_path: Path, encoded: str, expected: str) -> None:
    content = ("phone;name\n" + "+14155550101;Łukasz\n" * 3).encode(encoded)
    assert recognised(tmp_path, content) == Shape("csv", expected, ";")
    assert read(tmp_path, content)[0].cells == ["+14155550101", "Łukasz"]


def test_western_one_byte_text_is_recognised(tmp_path: Path) -> None:
    content = "phone,name\n+14155550101,João Åström\n+14155550102,Zoë\n".encode("latin-1")
    assert [record.cells[1] for record in read(tmp_path, content)] == ["João Åström", "Zoë"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_among_others_in_quotes(tmp_path: Path, delimiter: str) -> None:
    line = delimiter.join(["+14155550101", '"a, b; c | d\te"', '"two\nlines"'])
    content = delimiter.join(["phone", "note", "more"]) + "\r\n" + f"{line}\r\n" * 4
    assert recognised(tmp_path, content.encode()).delimiter == delimiter
    assert read(tmp_path, content.encode())[1].cells == ["+14155550101", "a, b; c | d\te", "two\nlines"]


def test_a_row_is_numbered_by_the_physical_line_it_starts_on(tmp_path: Path) -> None:
    content = HEADER + '+14155550101,"two\nlines"\n\n+14155550102,x\r\n+14155550103,"a\r\nb\nc"\n+14155550104,y\n'
    assert [record.line for record in read(tmp_path, content.encode())] == [2, 5, 6, 9]


def test_an_unclosed_quotation_mark_costs_its_own_line_only(tmp_path: Path) -> None:
    rows = "".join(f"+1415555{n:04},x\n" for n in range(50))
    records = read(tmp_path, f'{HEADER}+14155550101,"open\n{rows}'.encode())
    assert [record.problem is not None for record in records] == [True] + [False] * 50
    assert records[0].problem is not None
    assert records[0].problem[0] == "bad_quotes"
    assert (records[1].line, records[-1].line) == (3, 52)


def test_lines_of_megabytes_are_refused_without_being_held(tmp_path: Path) -> None:
    long = "x" * (3 * RECORD_CHARACTERS_MAX)
    records = read(tmp_path, f"{HEADER}+14155550101,{long}\n{ROW}".encode())
    assert [record.problem and record.problem[0] for record in records] == ["row_too_long", None]
    assert [record.line for record in records] == [2, 3]
    assert len(records[0].raw) <= 10_000
    objects = read(tmp_path, f'{{"phone":"1"}}\n{{"phone":"{long}"}}\n{{"phone":"2"}}\n'.encode())
    assert [record.problem and record.problem[0] for record in objects] == [None, "row_too_long", None]


def test_damaged_text_and_nul_refuse_the_row_and_no_other(tmp_path: Path) -> None:
    content = HEADER.encode() + (ROW * 20).encode() + b"+14155550102,\x81\x8d\n+14155550103,a\x00b\n" + ROW.encode()
    problems = [record.problem and record.problem[0] for record in read(tmp_path, content)]
    assert problems == [None] * 20 + ["bad_encoding", "nul_character", None]


def test_json_lists_are_read_with_lines_and_numbers_as_written(tmp_path: Path) -> None:
    content = (
        b'[\n {"phone": 12285550125,\n  "attributes": {"score": 1.10, "vip": true}},\n'
        b' {"phone": null}, {"phone": "3"}\n]'
    )
    records = read(tmp_path, content)
    assert [record.line for record in records] == [2, 4, 4]
    assert records[0].cells == ["12285550125", "1.10", True]
    wrapped = read(tmp_path, b'{"contacts": [{"phone": "1"},\n{"phone": "2"}]}', ["phone"])
    assert [record.cells for record in wrapped] == [["1"], ["2"]]


def test_a_json_list_larger_than_the_window_is_read_whole(tmp_path: Path) -> None:
    people = [{"phone": f"+1415555{n:04}", "note": "ö" * 300} for n in range(5000)]
    records = read(tmp_path, json.dumps(people, ensure_ascii=False, indent=1).encode(), ["phone"])
    assert len(records) == 5000
    assert [record.line for record in records[:3]] == [2, 6, 10]
    assert records[-1].line == 2 + 4 * 4999


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        (b"", "empty"),
        (b" \n\n", "empty"),
        (b"%PDF-1.7 ...", "PDF"),
        (b"PK\x03\x04rest", "save the sheet as CSV"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"\x1f\x8bzipped", "unpack"),
        (b"<html><table>", "HTML"),
        (bytes(range(256)) * 20, "no text file"),
        ("phone\n+1".encode("utf-32"), "UTF-32"),
        (b"[]", "empty"),
        (b'{"name": "x",\n "phone": "1"\n}', "Write a list"),
        (b'[{"phone": "1"},\n{"phone": "2"}\n{"phone": "3"}]', "Line 3"),
        (b'[{"phone": "1"},\n{"phone": ', "Line 2"),
        (b'[{"phone": "1"}] and more', "follows"),
        (b'[{"phone": NaN}]', "Line 1"),
        (b"[" * 100_000, "Line 1"),
    ],
)
def test_what_cannot_be_imported_is_refused_with_advice(tmp_path: Path, content: bytes, advice: str) -> None:
    with pytest.raises(FileUnreadable, match=advice):
        recognised(tmp_path, content)


@pytest.mark.parametrize(
    ("content", "advice"),
    [((",".join(map(str, range(600))) + "\n").encode(), "600")],
)
def test_a_header_that_cannot_serve_is_refused(tmp_path: Path, content: bytes, advice: str) -> None:
    with pytest.raises(FileUnreadable, match=advice):
        read(tmp_path, content)


async def test_nested_values_and_broken_lines_refuse_their_row_only(importer: Importer) -> None:
    lines = [
        '{"phone": "+14155550101", "tags": ["a", "b"], "city": "Oslo"}', "{broken json", "[1, 2]",
        '{"phone": "+14155550102", "city": {"name": "Rome"}}', '{"phone": "+14155550103", "city": "a\\u0000b"}',
        '{"phone": "+14155550104", "city": "\\ud800"}',
        '{"phone": "+14155550105", "city": "x", "attributes": {"city": "y"}}', '{"phone": "+14155550106"}',
    ]  # fmt: skip
    done = await importer.run("\n".join(lines).encode())
    assert (done.created, done.rejected) == (2, 6)
    assert await importer.rejects(done) == [
        (2, "bad_json"), (3, "not_an_object"), (4, "nested_value"), (5, "nul_character"), (6, "bad_encoding"),
        (7, "duplicate_name"),
    ]  # fmt: skip
    assert (await importer.contacts())["+14155550101"].topics == ["a", "b"]


async def test_a_value_that_is_too_long_is_cut_and_said(importer: Importer) -> None:
    done = await importer.run(f"phone,note\n+14155550101,{'x' * 4001}\n+14155550102,{'x' * 4000}\n".encode())
    assert (done.created, done.rejected) == (2, 0)
    assert [(w.code, w.about, w.count) for w in done.warnings] == [("value_cut", "note", 1)]
    assert {len(contact.attributes["note"]) for contact in (await importer.contacts()).values()} == {4000}


async def test_the_same_people_come_out_of_every_encoding(importer: Importer) -> None:
    """The sample files hold every oddity of the real ones; the two Unicode CSV files hold the same rows."""
    comma = await importer.run((DATA / "contacts.csv").read_bytes())
    before = await importer.contacts()
    wide = await importer.run((DATA / "contacts_semicolon_utf16.csv").read_bytes())
    assert (comma.rows_read, wide.rows_read) == (46, 44)
    shorter = 1  # the file with commas has a row that ends early, and one of a stranger with too many cells
    assert wide.rows_read - wide.rejected == comma.rows_read - comma.rejected - shorter
    assert set(await importer.contacts()) == set(before)


@pytest.mark.parametrize(
    "name",
    ["contacts.csv", "contacts.json", "contacts.jsonl", "contacts_latin1.csv", "contacts_semicolon_utf16.csv"],
)
async def test_every_sample_file_is_accounted_for(importer: Importer, name: str) -> None:
    done = await importer.run((DATA / name).read_bytes())
    assert done.status == "completed"
    assert done.rows_read == done.created + done.updated + done.unchanged + done.merged + done.rejected
    assert done.created == len(await importer.contacts()) > 10
    assert done.rejected == len(await importer.rejects(done)) > 5
    assert done.merged >= 1
    again = await importer.run((DATA / name).read_bytes())
    assert (again.created, again.merged, again.rejected) == (0, done.merged, done.rejected)

"""Whatever a file holds and however it is cut: every row is exactly one thing, and the phones are libphonenumber's."""

from typing import Any

import phonenumbers
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from event_stream_engine.messaging.model.contacts import PhoneInvalid, parse_phone
from event_stream_engine.messaging.model.import_rows import RANK
from event_stream_engine.messaging.model.phones import PhoneReader
from tests.messaging.imports.conftest import Importer, counted

PHONES = ["+14155550101", "(415) 555-0101", "+14155550102", "+46701740633", "+14155550104", "n/a", ""]
CONSENTS = {
    "": "unknown", "OPT_IN": "opted_in", "OPT_OUT": "opted_out", "STOP": "stopped", "maybe": "unknown",
}  # fmt: skip
ROWS = st.lists(
    st.tuples(st.sampled_from(PHONES), st.sampled_from(list(CONSENTS)), st.sampled_from(["", "Oslo", "Rome"])),
    min_size=1,
    max_size=25,
)


class Oracle:
    """The same rules, one number of a chunk after the other, in the plainest way: what the rows of a number within a
    chunk come to is compared with the contact once, so that the older of two rows is never counted as a change."""

    def __init__(self) -> None:
        self.contacts: dict[str, tuple[str, str]] = {}

    def run(self, rows: list[tuple[str, str, str]], rows_max: int) -> dict[str, int]:
        counts = dict.fromkeys(
            ("rows_read", "created", "updated", "unchanged", "merged", "rejected", "consent_kept"), 0
        )
        seen: set[str] = set()
        for start in range(0, len(rows), rows_max):
            chunk: dict[str, list[tuple[str, str]]] = {}
            for written, word, city in rows[start : start + rows_max]:
                counts["rows_read"] += 1
                try:
                    chunk.setdefault(parse_phone(written, "US").e164, []).append((CONSENTS[word], city))
                except PhoneInvalid:
                    counts["rejected"] += 1
            for phone, stated in chunk.items():
                counts["merged"] += len(stated) - 1
                self._one(phone, stated, seen, counts)
        return counts

    def _one(self, phone: str, stated: list[tuple[str, str]], seen: set[str], counts: dict[str, int]) -> None:
        before = self.contacts.get(phone)
        was, home = before or ("unknown", "")
        rank: Any = RANK
        consent = max((word for word, _ in stated), key=lambda word: rank[word])
        cities = [home, *(city for _, city in stated if city)]
        after = (max(was, consent, key=lambda word: rank[word]), cities[-1])
        self.contacts[phone] = after
        if phone in seen:
            counts["merged"] += 1
        elif before is None:
            counts["created"] += 1
        else:
            counts["updated" if after != before else "unchanged"] += 1
            counts["consent_kept"] += consent == "opted_in" and was in ("opted_out", "stopped")
        seen.add(phone)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.lists(ROWS, min_size=1, max_size=2), rows_max=st.integers(1, 9))
async def test_every_row_is_exactly_one_thing(
    importer: Importer, files: list[list[tuple[str, str, str]]], rows_max: int
) -> None:
    await importer.sql("TRUNCATE contacts CASCADE")
    oracle = Oracle()
    for rows in files:
        content = "\n".join(["phone,consent,city", *(",".join(row) for row in rows), ""]).encode()
        uploaded = await importer.upload(content)
        tried = await importer.finish(await importer.start(uploaded, dry_run=True), rows_max)
        done = await importer.finish(await importer.start(uploaded), rows_max)
        assert done.rows_read == done.created + done.updated + done.unchanged + done.merged + done.rejected
        assert counted(done) == counted(tried) == oracle.run(rows, rows_max)
        assert sum(w.count for w in done.warnings if w.code == "duplicate_in_file") == done.merged
    stored = await importer.contacts()
    assert {p: (c.consent, c.attributes.get("city", "")) for p, c in stored.items()} == oracle.contacts


def slow(written: str, region: str | None) -> object:
    try:
        return parse_phone(written, region)
    except PhoneInvalid:
        return None


REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
CALLING_CODES = sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)
WRITTEN = st.one_of(
    st.from_regex(r"\A(\+|00)?[1-9][0-9]{5,14}\Z"),
    st.from_regex(r"\A\+?[0-9() .\-]{6,18}\Z"),
    st.builds("+1{}555{:04}".format, st.integers(200, 999), st.integers(0, 9999)),
    st.builds("+{}{}".format, st.sampled_from(CALLING_CODES), st.integers(10**6, 10**10)),
    st.text(max_size=20),
)  # fmt: skip


@settings(max_examples=1500, deadline=None)
@given(written=WRITTEN, region=st.sampled_from(["US", "SE", "BR", "AR", "MX", "IT", "GB", "DE", None]))
@example(written="+(0318000000", region="US")
@example(written="+1 264 772 1234", region=None)
@example(written="1 415 555 0101", region="US")
def test_a_number_taken_on_the_short_way_is_what_libphonenumber_says(written: str, region: str | None) -> None:
    taken = PhoneReader(region).read_plain(written)
    if taken is not None:
        assert taken == slow(written, region)


@pytest.mark.parametrize("start", range(0, len(REGIONS), 50))
def test_examples_of_every_country_agree(start: int) -> None:
    taken = 0
    for region in REGIONS[start : start + 50]:
        reader = PhoneReader(region)
        for kind in (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE):
            number = phonenumbers.example_number_for_type(region, kind)
            for style in (0, 1, 2) if number else ():
                written = phonenumbers.format_number(number, style)
                for variant in (written, written + "1", written[:-1], "00" + written.lstrip("+")):
                    found = reader.read_plain(variant)
                    taken += found is not None
                    assert found is None or found == slow(variant, region), (region, variant)
    assert taken > 50, "most plain examples take the short way"

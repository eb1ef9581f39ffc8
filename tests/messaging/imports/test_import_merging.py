"""What becomes of a row: created, updated, unchanged, merged or refused, and what happens to consent."""

from event_stream_engine.messaging.model.imports import Column
from event_stream_engine.messaging.store import import_changes
from tests.messaging.imports.conftest import Importer, counted, csv_of

ANA, BEN, CY = "+14155550101", "+14155550102", "+14155550103"


async def test_new_numbers_become_contacts_with_the_consent_of_the_file(importer: Importer) -> None:
    done = await importer.run(csv_of(f"{ANA},OPT_IN,Oslo", f"{BEN},,", f"{CY},STOP,Rome"))
    assert done.status == "completed", done.error
    assert counted(done) == {
        "rows_read": 3, "created": 3, "updated": 0, "unchanged": 0, "merged": 0, "rejected": 0, "consent_kept": 0,
    }  # fmt: skip
    contacts = await importer.contacts()
    assert (contacts[ANA].consent, contacts[ANA].attributes) == ("opted_in", {"city": "Oslo"})
    assert contacts[ANA].consent_source == f"import:{done.id}"
    assert contacts[ANA].consent_changed_at is not None
    assert (contacts[BEN].consent, contacts[BEN].consent_changed_at) == ("unknown", None)
    assert contacts[CY].consent == "stopped"


async def test_an_import_merges_into_contacts_that_exist(importer: Importer) -> None:
    await importer.run(b"phone,city,tier,topics\n+14155550101,Oslo,gold,news\n")
    done = await importer.run(b"phone,city,tier,topics,timezone\n+14155550101,,silver,offers,CET\n")
    assert (done.updated, done.unchanged, done.created) == (1, 0, 0)
    ana = (await importer.contacts())[ANA]
    assert ana.attributes == {"city": "Oslo", "tier": "silver"}, "an empty cell takes nothing away"
    assert (ana.topics, ana.timezone, ana.version) == (["news", "offers"], "CET", 2)
    again = await importer.run(b"phone,city,tier,topics,timezone\n+14155550101,,silver,offers,CET\n")
    assert (again.updated, again.unchanged) == (0, 1)
    assert (await importer.contacts())[ANA].version == 2, "what changes nothing writes nothing"


async def test_an_import_shows_which_values_it_replaces(importer: Importer) -> None:
    """So does its dry run; what it fills in, or leaves, is no replaced value, and an erased person's is gone."""
    people = [f"+1415555{n:04},Person {n},Oslo" for n in range(101, 113)]
    await importer.run("\n".join(["phone,name,city", *people, "+14155550200,,"]).encode())
    renamed = [person.replace("Person", "Someone") for person in people]
    file = "\n".join(["phone,name,city", *renamed, "+14155550200,Ben,Rome", "+14155550999,New,Rome"]).encode()
    tried = await importer.run(file, dry_run=True)
    done = await importer.run(file)
    for run in (tried, done):
        async with importer.runtime.database.transaction() as tx:
            (names,) = await import_changes.of_import(tx, run.id)
        assert (names.field, names.changed, len(names.examples)) == ("name", 12, 10)
        first = names.examples[0]
        assert (first.phone, first.before, first.after) == (ANA, "Person 101", "Someone 101")
    await importer.sql("DELETE FROM contacts WHERE phone = '+14155550101' RETURNING id")
    async with importer.runtime.database.transaction() as tx:
        (names,) = await import_changes.of_import(tx, done.id)
    assert (names.changed, len(names.examples)) == (12, 9)


async def test_no_import_takes_an_opt_out_back(importer: Importer) -> None:
    await importer.run(csv_of(f"{ANA},OPT_OUT,", f"{BEN},STOP,", f"{CY},OPT_IN,"))
    done = await importer.run(csv_of(f"{ANA},OPT_IN,Oslo", f"{BEN},yes,", f"{CY},,Rome"), default_consent="opted_in")
    assert (done.updated, done.unchanged, done.consent_kept) == (2, 1, 2)
    contacts = await importer.contacts()
    assert [contacts[phone].consent for phone in (ANA, BEN, CY)] == ["opted_out", "stopped", "opted_in"]
    unsure = await importer.run(csv_of(f"{ANA},,", f"{CY},maybe,"))
    assert (unsure.unchanged, unsure.consent_kept) == (2, 0)
    assert [warning.code for warning in unsure.warnings] == ["consent_not_understood"]


async def test_an_import_opts_out_and_proves_where_from(importer: Importer) -> None:
    await importer.run(csv_of(f"{ANA},OPT_IN,", f"{BEN},,"))
    done = await importer.run(csv_of(f"{ANA},unsubscribed,", f"{BEN},1,"), consent_source="spring fair")
    contacts = await importer.contacts()
    assert (contacts[ANA].consent, contacts[BEN].consent) == ("opted_out", "opted_in")
    changes = await importer.sql("SELECT previous, consent, source, detail FROM consent_changes ORDER BY id")
    source = f"import:{done.id}"
    assert [tuple(change) for change in changes] == [
        ("opted_in", "opted_out", source, "spring fair"),
        ("unknown", "opted_in", source, "spring fair"),
    ]
    events = await importer.sql("SELECT count(*) FROM outbox WHERE type = 'ConsentChanged'")
    assert events[0][0] == 2


async def test_a_number_that_stands_twice_in_a_file_is_one_contact(importer: Importer) -> None:
    done = await importer.run(
        csv_of(
            f"{ANA},OPT_IN,Oslo", f"{BEN},OPT_IN,Rome", "(415) 555-0101,STOP,", f"{ANA},OPT_IN,Paris",
        )
    )  # fmt: skip
    assert (done.created, done.merged, done.rejected) == (2, 2, 0)
    assert [(w.code, w.count) for w in done.warnings] == [("duplicate_in_file", 2)]
    assert await importer.merges(done) == [
        (4, 2, ANA, {"consent": "stopped"}),
        (5, 2, ANA, {"city": "Paris", "consent": "opted_in"}),
    ]
    ana = (await importer.contacts())[ANA]
    assert (ana.attributes, ana.consent) == ({"city": "Paris"}, "stopped")


async def test_the_same_file_again_changes_nothing_though_it_holds_a_number_twice(importer: Importer) -> None:
    twice = csv_of(f"{ANA},OPT_IN,Oslo", f"{BEN},OPT_IN,Rome", f"{ANA},OPT_IN,Paris", f"{BEN},STOP,Nice")
    await importer.run(twice)
    before = await importer.contacts()
    again = await importer.run(twice)
    assert (again.updated, again.unchanged, again.merged) == (0, 2, 2)
    assert await importer.contacts() == before, "no row is written and set back"
    assert await importer.sql("SELECT 1 FROM consent_changes") == []


async def test_a_row_merged_into_an_earlier_chunk_is_listed_like_any_other(importer: Importer) -> None:
    started = await importer.start(await importer.upload(csv_of(f"{ANA},,Oslo", f"{BEN},,Rome", f"{ANA},,Paris")))
    done = await importer.finish(started, rows_max=2)
    assert (done.created, done.merged) == (2, 1)
    assert await importer.merges(done) == [(4, 2, ANA, {"city": "Paris"})]


async def test_a_dry_run_leaves_no_merged_rows_to_the_run_after_it(importer: Importer) -> None:
    tried = await importer.run(csv_of(f"{ANA},,Oslo", f"{ANA},,Paris"), dry_run=True)
    assert (tried.merged, len(await importer.merges(tried))) == (1, 1)
    done = await importer.finish(await importer.start(tried))
    assert (done.merged, len(await importer.merges(done))) == (1, 1)


async def test_create_only_leaves_contacts_that_exist_alone_and_says_what_it_ignored(importer: Importer) -> None:
    await importer.run(csv_of(f"{ANA},OPT_IN,Oslo"))
    done = await importer.run(csv_of(f"{ANA},STOP,Paris", f"{BEN},OPT_IN,Rome", f"{BEN},,Nice"), mode="create_only")
    assert (done.created, done.unchanged, done.updated, done.merged) == (1, 1, 0, 1)
    contacts = await importer.contacts()
    assert (contacts[ANA].consent, contacts[ANA].attributes) == ("opted_in", {"city": "Oslo"})
    assert contacts[BEN].attributes == {"city": "Nice"}, "a later row still belongs to the new contact"
    assert "opt_out_not_applied" in [warning.code for warning in done.warnings]


async def test_nothing_is_silently_corrected(importer: Importer) -> None:
    done = await importer.run(
        csv_of(
            f"{ANA},OPT_IN,31/02/2025", f"{BEN},OPT_IN,=HYPERLINK(1)", f"{CY},maybe,",
            "whatsapp:+14155550104,,", "4.63E+10,,", "n/a,,", ",,", "+14155550105 ext. 7,,", "5550101,,",
            "+14155550106,,x,too,many", "+14155550107", '+14155550108,,"two\nlines"', "+14155550109,,",
        )
    )  # fmt: skip
    assert (done.created, done.rejected) == (7, 6)
    contacts = await importer.contacts()
    assert contacts[ANA].attributes == {"city": "31/02/2025"}
    assert contacts[BEN].attributes == {"city": "=HYPERLINK(1)"}
    assert contacts[CY].consent == "unknown"
    assert "+14155550104" in contacts
    assert "row_padded" in [warning.code for warning in done.warnings]
    assert await importer.rejects(done) == [
        (6, "phone_scientific"), (7, "phone_invalid"), (8, "phone_missing"), (9, "phone_extension"),
        (10, "phone_invalid"), (11, "too_many_columns"),
    ]  # fmt: skip


async def test_an_unknown_time_zone_stays_empty_and_is_counted(importer: Importer) -> None:
    done = await importer.run(
        b"phone,timezone\n+14155550101,Mars/Olympus\n+14155550102,CET\n+14155550103,Mars/Olympus\n"
    )
    contacts = await importer.contacts()
    assert [contacts[phone].timezone for phone in (ANA, BEN, CY)] == [None, "CET", None]
    warning = done.warnings[0]
    assert (warning.code, warning.count, warning.samples) == ("timezone_unknown", 2, ["Mars/Olympus"])


async def test_a_number_without_country_needs_a_default_region(importer: Importer) -> None:
    done = await importer.run(csv_of("0701740633,,", "12285550125,,"), default_region=None)
    assert await importer.rejects(done) == [(2, "phone_needs_region"), (3, "phone_needs_region")]
    swedish = await importer.run(csv_of("0701740633,,", "070-174 06 34,,"), default_region="SE")
    assert swedish.created == 2
    assert set(await importer.contacts()) == {"+46701740633", "+46701740634"}


async def test_a_dry_run_accounts_as_the_real_run_and_writes_no_contact(importer: Importer) -> None:
    await importer.run(csv_of(f"{ANA},OPT_OUT,Oslo", f"{BEN},,Rome"))
    before = await importer.contacts()
    uploaded = await importer.upload(
        csv_of(f"{ANA},OPT_IN,", f"{BEN},OPT_IN,", f"{CY},,", f"{CY},STOP,", "n/a,,", f"{BEN},,Rome")
    )
    tried = await importer.finish(await importer.start(uploaded, dry_run=True))
    assert (tried.status, tried.dry_run) == ("completed", True)
    assert await importer.contacts() == before
    refused = await importer.rejects(tried)
    done = await importer.finish(await importer.start(uploaded))
    assert counted(done) == counted(tried)
    assert done.warnings == tried.warnings
    assert await importer.rejects(done) == refused == [(6, "phone_invalid")]
    assert (await importer.contacts())[CY].consent == "stopped"


async def test_the_mapping_decides_where_columns_go(importer: Importer) -> None:
    done = await importer.run(
        b"a,b,c,d\n+14155550101,x,y,z\n",
        columns=[Column("a", "phone"), Column("c", "attribute", "color"), Column("d", "ignore")],
    )
    assert done.created == 1
    assert (await importer.contacts())[ANA].attributes == {"color": "y"}

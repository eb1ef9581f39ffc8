"""What a search box finds, in the lists of people, of what they wrote and of campaigns."""

from typing import Any

import pytest
from sqlalchemy import text

from event_stream_engine.database import Database
from event_stream_engine.messaging.actions.inbound import receive
from event_stream_engine.messaging.model.searching import read_search
from event_stream_engine.messaging.store import contacts as store
from event_stream_engine.messaging.twilio.webhooks import parse_inbound
from tests.web.client import Client

CONTACTS, INBOUND = "/api/v1/contacts", "/api/v1/monitoring/inbound"
PEOPLE = {
    "+12125550178": {"name": "João Gonçalves", "mail": "joao.g@example.com"},
    "+351912345678": {"name": "Łukasz Strauß", "city": "São Paulo"},
    "+442079460958": {"name": "Ελένη Παπαδοπούλου", "note": "first line\nsecond line"},
}
JOAO, LUKASZ, ELENI = PEOPLE
FOUND = {
    "joao": JOAO, "JOÃO goncalves": JOAO, "Joa\u0303o": JOAO, "joao.g@example": JOAO, "0178": JOAO,
    "(212) 555-0178": JOAO, "+1 212.555.0178": JOAO, "212 555": JOAO, "':* | 'joao": JOAO, "sao & paulo": LUKASZ,
    "lukasz strauss": LUKASZ, "00351 912 345 678": LUKASZ, "912 345": LUKASZ, "ΕΛΕΝΗΣ": None, "ελενη": ELENI,
    "second": ELENI, "020 7946 0958": ELENI, "+44 (0) 20 7946 0958": ELENI,
    "joao strauss": None, "'": None, "%": None, "\\": None,
}  # fmt: skip


async def seed(owner: Client, database: Database) -> None:
    for phone, attributes in PEOPLE.items():
        added = await owner.post(CONTACTS, json={"phone": phone, "attributes": attributes})
        assert added.status_code == 201, added.text
    words = [("MessageSid", "SM" + "0" * 32), ("From", "+12125550178"), ("To", "+14155550100"), ("Body", "Até amanhã")]
    async with database.transaction() as tx:
        await receive(tx, parse_inbound(words))


async def phones(owner: Client, search: str) -> list[str]:
    answer = await owner.get(CONTACTS, params={"search": search})
    assert answer.status_code == 200, answer.text
    return [item["phone"] for item in answer.json()["items"]]


async def test_people_are_found_whatever_the_accents_and_the_punctuation(
    owner: Client, database: Database, subtests: pytest.Subtests
) -> None:
    await seed(owner, database)
    for search, phone in FOUND.items():
        with subtests.test(search=search):
            assert await phones(owner, search) == ([phone] if phone else [])
    exported = (await owner.get(f"{CONTACTS}/export.csv", params={"search": "joao"})).text.splitlines()
    assert [line.split(",")[0] for line in exported[1:]] == ["+12125550178"]
    for search in ("amanha", "ATE", "(212) 555-0178", "0178"):
        with subtests.test(inbound=search):
            assert (await owner.get(INBOUND, params={"search": search})).json()["items"][0]["text"] == "Até amanhã"
    assert (await owner.get(INBOUND, params={"search": "ontem"})).json()["items"] == []


async def test_campaigns_are_found_by_any_part_of_their_name_whatever_the_accents(owner: Client) -> None:
    made = await owner.post("/api/v1/templates", json={"name": "T", "body": "Hi"})
    sender = await owner.post(
        "/api/v1/senders", json={"name": "S", "address": "+14155550100", "messages_per_second": 10}
    )
    parts = {"template_id": made.json()["id"], "sender_id": sender.json()["id"]}
    added = await owner.post("/api/v1/campaigns", json={"name": "Promoção de Verão", **parts})
    assert added.status_code == 201, added.text
    found = [(await owner.get("/api/v1/campaigns", params={"search": part})).json()["items"] for part in ("mocao", "%")]
    assert [len(items) for items in found] == [1, 0]


@pytest.mark.parametrize("search", ["joao", "(212) 555-0178", "+52 55 1234 5678"])
async def test_an_index_serves_the_search_of_contacts(database: Database, search: str) -> None:
    where = store.matching(search=search, consent=None, topic=None, rule=None)
    async with database.transaction() as tx:
        await tx.execute(text("SET LOCAL enable_seqscan = off"))
        compiled: Any = where.compile(database.engine.sync_engine, compile_kwargs={"literal_binds": True})
        plan = [
            row[0]
            for row in await tx.execute(text(f"EXPLAIN SELECT * FROM contacts WHERE {compiled}".replace(":", r"\:")))
        ]
    assert "Seq Scan" not in " ".join(plan), plan
    assert "ix_contacts_terms" in " ".join(plan)


def test_what_looks_like_a_number_is_read_as_one() -> None:
    assert read_search("(212) 555-0178").numbers == ("2125550178",)
    assert read_search("020 7946 0958").numbers == ("02079460958", "2079460958")
    assert read_search("+52 55 1234 5678").lines == ("+5215512345678",)
    assert read_search("12 Main Street").numbers == ()
    assert read_search("7").numbers == ()
    assert len(read_search("word " * 40).words) == 12

"""An alert's life: begun once whoever judges, told of once, a consequence told of never, and over when it is over."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from event_stream_engine import clock
from event_stream_engine.alerts import actions, store
from event_stream_engine.alerts.catalogue import BY_NAME
from event_stream_engine.alerts.judging import Judge
from event_stream_engine.alerts.mailing import AlertMails
from event_stream_engine.alerts.model import Alert, AlertNotFound, AlertResolved, Judged, Labels, Sample
from event_stream_engine.database import Database, Transaction
from event_stream_engine.errors import Invalid

LETTERS: Labels = (("group", "messaging.count"),)


class Noted:
    """A mailer that remembers."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    async def tell(self, tx: Transaction, alert: Alert) -> None:
        self.told.append((alert.rule, alert.state))


class Figures:
    """What the platform would measure."""

    def __init__(self) -> None:
        self.samples: Sequence[Sample] = ()

    async def __call__(self) -> Sequence[Sample]:
        return self.samples


def letters(count: float) -> list[Sample]:
    return [Sample("ese_group_dead_letters", LETTERS, count)]


def judged(name: str, labels: Labels = (), value: float = 1) -> Judged:
    return Judged(BY_NAME[name], labels, value)


@pytest.fixture
def figures() -> Figures:
    return Figures()


def judge(database: Database, figures: Figures, holder: str, mailer: Noted | None = None) -> Judge:
    return Judge(database, figures, holder, every_seconds=15, mailer=mailer)


async def kept(database: Database) -> list[Alert]:
    async with database.transaction() as tx:
        return await store.page(tx, (), None, 100)


async def test_an_alert_begins_once_goes_on_and_ends(database: Database, figures: Figures) -> None:
    mailer = Noted()
    one = judge(database, figures, "a:1", mailer)
    figures.samples = letters(2)
    await one.step(0)
    figures.samples = letters(5)
    await one.step(15)
    (alert,) = await kept(database)
    assert (alert.rule, alert.labels, alert.state, alert.value) == ("EseDeadLetters", dict(LETTERS), "firing", 5)
    assert alert.summary == "Dead letters of messaging.count: 5"
    figures.samples = letters(0)
    await one.step(30)
    (alert,) = await kept(database)
    assert alert.state == "resolved"
    assert mailer.told == [("EseDeadLetters", "firing"), ("EseDeadLetters", "resolved")]
    figures.samples = letters(1)
    await one.step(45)
    assert [alert.state for alert in await kept(database)] == ["firing", "resolved"]


async def test_each_change_reaches_the_browsers(database: Database, figures: Figures) -> None:
    one = judge(database, figures, "a:1")
    for second, count in ((0, 1), (15, 1), (30, 0)):
        figures.samples = letters(count)
        await one.step(second)
    async with database.transaction() as tx:
        found = await tx.execute(text("SELECT data->>'topic' FROM outbox WHERE type = 'LiveUpdate'"))
        assert list(found.scalars()) == ["alerts", "alerts"]


async def test_one_process_judges_and_the_next_takes_over_what_fires(database: Database, figures: Figures) -> None:
    figures.samples = [Sample("ese_group_lag_seconds", LETTERS, 400)]
    first, second = judge(database, figures, "a:1"), judge(database, figures, "b:1")
    for at in (0, 150, 300):
        await first.step(at)
        assert await second.step(at) == []
    assert (first.holds, second.holds) == (True, False)
    (before,) = await kept(database)
    await first.release()
    taken = await second.step(315)
    assert [one.rule.name for one in taken] == ["EseGroupLag"], "it fires at once: it did before"
    assert [alert.id for alert in await kept(database)] == [before.id]


async def test_what_fires_while_the_database_is_away_is_kept_when_it_is_back(
    database: Database, database_url: str, figures: Figures
) -> None:
    one = judge(database, figures, "a:1")
    await one.step(0)
    working, one._database = one._database, Database("postgresql://nobody:x@127.0.0.1:1/none", pool_size=1)
    figures.samples = letters(3)
    assert [found.rule.name for found in await one.step(15)] == ["EseDeadLetters"]
    await one._database.close()
    one._database = working
    await one.step(30)
    assert [alert.rule for alert in await kept(database)] == ["EseDeadLetters"]


async def test_a_consequence_is_kept_and_nobody_is_told(database: Database) -> None:
    mailer = Noted()
    down, lag = judged("EseDatabaseDown"), judged("EseGroupLag", LETTERS)
    async with database.transaction() as tx:
        await actions.settle(tx, [down, lag], mailer)
    states = {alert.rule: alert.state for alert in await kept(database)}
    assert states == {"EseDatabaseDown": "firing", "EseGroupLag": "inhibited"}
    assert mailer.told == [("EseDatabaseDown", "firing")]
    async with database.transaction() as tx:
        await actions.settle(tx, [lag], mailer)
    assert {alert.rule: alert.state for alert in await kept(database)}["EseGroupLag"] == "firing"
    assert mailer.told[1:] == [("EseGroupLag", "firing"), ("EseDatabaseDown", "resolved")]


async def test_a_silence_holds_for_the_next_time_too_and_ends_by_itself(database: Database) -> None:
    mailer, now = Noted(), clock.now()
    one = judged("EseDeadLetters", LETTERS)
    async with database.transaction() as tx:
        (alert,) = await actions.settle(tx, [one], mailer)
        ends_at = now + timedelta(hours=1)
        silenced = await actions.silence(tx, alert.id, reason=" Known ", ends_at=ends_at, by=None)
        assert (silenced.state, silenced.silence and silenced.silence.reason) == ("silenced", "Known")
        await actions.settle(tx, [], mailer)
        await actions.settle(tx, [one], mailer)
    assert mailer.told == [("EseDeadLetters", "firing")], "neither its end nor its return"
    with clock.frozen(now + timedelta(hours=2)):
        assert [alert.state for alert in await kept(database)] == ["firing", "resolved"]


async def test_who_acknowledges_first_stays_and_it_is_audited(database: Database) -> None:
    ana, bo = uuid4(), uuid4()
    async with database.transaction() as tx:
        (alert,) = await actions.settle(tx, [judged("EseDeadLetters", LETTERS)], None)
        await actions.acknowledge(tx, alert.id, by=ana)
        again = await actions.acknowledge(tx, alert.id, by=bo)
        assert (again.state, again.acknowledged_by) == ("acknowledged", ana)
        rows = await tx.execute(text("SELECT actor_id, action FROM audit_entries"))
        assert [tuple(row) for row in rows] == [(ana, "alert.acknowledge")]
        await actions.settle(tx, [], None)
    with pytest.raises(AlertResolved):
        async with database.transaction() as tx:
            await actions.acknowledge(tx, alert.id, by=bo)


@pytest.mark.parametrize(("reason", "hours"), [(" ", 1), ("x", 0), ("x", 31 * 24)])
async def test_a_silence_without_reason_or_end_is_refused(database: Database, reason: str, hours: int) -> None:
    async with database.transaction() as tx:
        (alert,) = await actions.settle(tx, [judged("EseDeadLetters", LETTERS)], None)
        with pytest.raises(Invalid):
            await actions.silence(tx, alert.id, reason=reason, ends_at=clock.now() + timedelta(hours=hours), by=None)


async def test_what_was_resolved_long_ago_is_forgotten(database: Database) -> None:
    async with database.transaction() as tx:
        await actions.settle(tx, [judged("EseDeadLetters", LETTERS)], None)
        await actions.settle(tx, [], None)
    with clock.frozen(clock.now() + timedelta(days=91)):
        async with database.transaction() as tx:
            assert await actions.forget(tx) == 1
    assert await kept(database) == []


async def test_a_mail_says_what_it_is_and_what_to_do(database: Database) -> None:
    written: list[tuple[str, str, str]] = []

    async def write_down(tx: Transaction, recipient: str, subject: str, text: str) -> None:
        written.append((recipient, subject, text))

    mails = AlertMails(write_down, ["ops@example.com", "bo@example.com"], "https://ese.example")
    async with database.transaction() as tx:
        await actions.settle(tx, [judged("EseRelayStuck")], mails)
        await actions.settle(tx, [], mails)
    assert [(to, subject) for to, subject, _ in written] == [
        (to, f"{word}: The relay publishes nothing")
        for word in ("Urgent", "Resolved")
        for to in ("ops@example.com", "bo@example.com")
    ]
    assert "https://ese.example/alerts/runbooks/EseRelayStuck" in written[0][2]
    assert "It was over at" in written[-1][2]


async def test_a_rule_that_does_not_fire_is_silenced_and_its_alerts_are_told_of_when_that_ends(
    database: Database,
) -> None:
    mailer, now = Noted(), clock.now()
    one, other = judged("EseDeadLetters", LETTERS), judged("EseDiskLow")
    async with database.transaction() as tx:
        await actions.silence_rule(
            tx, "EseDeadLetters", reason=" Upgrade ", ends_at=now + timedelta(hours=1), by=None, who="ana"
        )
        await actions.settle(tx, [one, other], mailer)
    assert mailer.told == [("EseDiskLow", "firing")]
    states = {alert.rule: alert.state for alert in await kept(database)}
    assert states == {"EseDeadLetters": "silenced", "EseDiskLow": "firing"}
    with clock.frozen(now + timedelta(hours=2)):
        assert {alert.state for alert in await kept(database)} == {"firing"}
        async with database.transaction() as tx:
            await actions.settle(tx, [one, other], mailer)
            await actions.settle(tx, [one, other], mailer)
        assert mailer.told[1:] == [("EseDeadLetters", "firing")], "once, and only now"
        async with database.transaction() as tx:
            await actions.settle(tx, [], mailer)
    async with database.transaction() as tx:
        found = (await tx.execute(text("SELECT action, entity_id, detail FROM audit_entries"))).one()
        pushed = await tx.execute(text("SELECT count(*) FROM outbox WHERE data->>'entity_id' = 'EseDeadLetters'"))
    assert (found.action, found.entity_id) == ("alert.silence_rule", "EseDeadLetters")
    assert (found.detail["reason"], found.detail["by"]) == ("Upgrade", "ana")
    assert pushed.scalar_one() == 1


async def test_what_begins_and_ends_within_a_silence_of_its_rule_is_told_to_nobody(database: Database) -> None:
    mailer = Noted()
    async with database.transaction() as tx:
        ends_at = clock.now() + timedelta(hours=1)
        await actions.silence_rule(tx, "EseDeadLetters", reason="Upgrade", ends_at=ends_at, by=None)
        await actions.settle(tx, [judged("EseDeadLetters", LETTERS)], mailer)
        await actions.settle(tx, [], mailer)
    assert mailer.told == []


async def test_a_second_silence_of_a_rule_replaces_the_first_and_ending_it_is_audited(database: Database) -> None:
    now = clock.now()
    async with database.transaction() as tx:
        for hours in (48, 1):
            ends_at = now + timedelta(hours=hours)
            await actions.silence_rule(tx, "EseDeadLetters", reason=f"{hours} h", ends_at=ends_at, by=None)
        silences = await store.rule_silences(tx, clock.now())
        assert {rule: silence.reason for rule, silence in silences.items()} == {"EseDeadLetters": "1 h"}
        assert await actions.end_rule_silence(tx, "EseDeadLetters", by=None) == 1
        assert await actions.end_rule_silence(tx, "EseDeadLetters", by=None) == 0
        assert await store.rule_silences(tx, clock.now()) == {}
        told = await tx.execute(text("SELECT action FROM audit_entries ORDER BY id"))
        assert list(told.scalars()) == ["alert.silence_rule"] * 2 + ["alert.end_rule_silence"]


@pytest.mark.parametrize(
    ("rule", "days", "wrong"),
    [
        ("EseDeadLetters", 31, Invalid),
        ("EseDeadLetters", -1, Invalid),
        ("EseWatchdog", 1, Invalid),
        ("No", 1, AlertNotFound),
    ],
)
async def test_a_silence_of_a_rule_has_bounds(database: Database, rule: str, days: int, wrong: type[Exception]) -> None:
    async with database.transaction() as tx:
        with pytest.raises(wrong):
            await actions.silence_rule(tx, rule, reason="Why", ends_at=clock.now() + timedelta(days=days), by=None)


async def test_an_alert_stays_silenced_by_its_rule_when_its_own_silence_ends(database: Database) -> None:
    async with database.transaction() as tx:
        (alert,) = await actions.settle(tx, [judged("EseDeadLetters", LETTERS)], None)
        ends_at = clock.now() + timedelta(hours=1)
        await actions.silence(tx, alert.id, reason="One", ends_at=ends_at + timedelta(hours=1), by=None)
        await actions.silence_rule(tx, "EseDeadLetters", reason="All", ends_at=ends_at, by=None)
        left = await actions.end_silence(tx, alert.id, by=None)
        assert (left.state, left.silence and left.silence.reason) == ("silenced", "All")
        assert await store.count(tx, ("silenced",)) == 1

"""What a Kafka record of ours holds, and what librdkafka's errors mean to the relay and to consumers."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message
from confluent_kafka.admin import AdminClient

from event_stream_engine.backbone.streams import Entry, StreamBusy, StreamRefused, position

_ID, _NUMBER, _LOG = "ese_entryid", "ese_number", "ese_log"
_NO_SEQ = 2**62
_NOT_FIELDS = frozenset({"ce_specversion", "ce_source"})

# Somebody must act; the advice goes with the error.
_REFUSED = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED: ("noperm", "allow it on the topic (docs/guides/kafka.md)"),
    KafkaError.GROUP_AUTHORIZATION_FAILED: ("noperm", "allow READ on the group (docs/guides/kafka.md)"),
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: ("noperm", "allow it on the cluster (docs/guides/kafka.md)"),
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: ("noperm", "allow WRITE on transactional ids named ese.*"),
    KafkaError._AUTHENTICATION: ("noauth", "see ESE_KAFKA_MECHANISM, _USER and _PASSWORD"),
    KafkaError.SASL_AUTHENTICATION_FAILED: ("noauth", "see ESE_KAFKA_MECHANISM, _USER and _PASSWORD"),
    KafkaError.UNSUPPORTED_SASL_MECHANISM: ("noauth", "the broker takes another ESE_KAFKA_MECHANISM"),
    KafkaError._SSL: ("tls", "see ESE_KAFKA_SECURITY and ESE_KAFKA_CA_FILE"),
    KafkaError.MSG_SIZE_TOO_LARGE: ("too_large", "raise the topic's max.message.bytes"),
    KafkaError.RECORD_LIST_TOO_LARGE: ("too_large", "raise the topic's segment.bytes"),
    KafkaError.TOPIC_EXCEPTION: ("topic", "Kafka takes no such topic name"),
    KafkaError.POLICY_VIOLATION: ("policy", "the cluster's policy forbids it"),
    KafkaError.INVALID_REPLICATION_FACTOR: ("replication", "lower ESE_KAFKA_REPLICAS, or add brokers"),
    KafkaError.INVALID_PARTITIONS: ("partitions", "see ESE_KAFKA_PARTITIONS"),
}
# Later it may work. What is not named here is busy as well, under librdkafka's own name.
_BUSY = {
    KafkaError._TRANSPORT: "connection",
    KafkaError._ALL_BROKERS_DOWN: "connection",
    KafkaError._RESOLVE: "connection",
    KafkaError._TIMED_OUT: "timeout",
    KafkaError._MSG_TIMED_OUT: "timeout",
    KafkaError.REQUEST_TIMED_OUT: "timeout",
    KafkaError._FENCED: "fenced",
    KafkaError.PRODUCER_FENCED: "fenced",
    KafkaError.INVALID_PRODUCER_EPOCH: "fenced",
    KafkaError.LEADER_NOT_AVAILABLE: "noleader",
    KafkaError.NOT_LEADER_FOR_PARTITION: "noleader",
    KafkaError.NOT_ENOUGH_REPLICAS: "noreplicas",
    KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND: "noreplicas",
    KafkaError.UNKNOWN_TOPIC_OR_PART: "notopic",
    KafkaError._UNKNOWN_TOPIC: "notopic",
    KafkaError._UNKNOWN_PARTITION: "notopic",
    KafkaError.OFFSET_OUT_OF_RANGE: "trimmed",
    KafkaError._AUTO_OFFSET_RESET: "trimmed",
}


@contextmanager
def mapped(stream: str) -> Iterator[None]:
    """Kafka's errors as the transport's: `StreamRefused` where somebody must act, else `StreamBusy`."""
    try:
        yield
    except KafkaException as error:
        raise translated(stream, error.args[0]) from error
    except BufferError as error:  # the producer's queue is full
        raise StreamBusy(stream, "buffer", str(error)) from error


def translated(stream: str, error: object) -> StreamBusy:
    if not isinstance(error, KafkaError):
        return StreamBusy(stream, "other", str(error))
    if error.code() in _REFUSED:
        code, advice = _REFUSED[error.code()]
        return StreamRefused(stream, code, f"{error.str()}: {advice}")
    return StreamBusy(stream, _BUSY.get(error.code(), error.name().lower().lstrip("_")), error.str())


class Complaints:
    """Why no broker can be reached, as librdkafka tells it beside the call that failed: a call only times out where
    the broker has refused the password or the certificate."""

    _TELLING = frozenset({KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED, KafkaError._SSL})

    def __init__(self) -> None:
        self._last: KafkaError | None = None

    def note(self, error: KafkaError) -> None:
        """librdkafka's `error_cb`."""
        if error.code() in self._TELLING:
            self._last = error

    @contextmanager
    def asked(self, client: AdminClient | Consumer) -> Iterator[None]:
        """A call of this client that fails does so for what it complained of, if it did."""
        try:
            yield
        except KafkaException as error:
            client.poll(0)  # lets librdkafka say why
            reason, self._last = self._last, None
            raise KafkaException(error.args[0] if reason is None else reason) from error
        self._last = None


class Record(NamedTuple):
    """An entry where it lies.

    `number` counts the entries of a partition from 1 on, in the log named `log`; 0 and "" for what somebody else
    wrote. A log begins when its topic is empty, and its name ends with the number of partitions it is laid out for.
    """

    partition: int
    offset: int
    number: int
    log: str
    entry: Entry

    @property
    def at(self) -> tuple[int, int]:
        return position(self.entry.entry_id)


def partitions_of_log(log: str) -> int:
    return int(log.rpartition("/")[2])


def headers_of(stream: str, entry: Entry, log: str, number: int) -> list[tuple[str, str | bytes | None]]:
    """CloudEvents 1.0, binary content mode of the Kafka protocol binding, and our three."""
    attributes: list[tuple[str, str | bytes | None]] = [
        (f"ce_{name}", value.encode()) for name, value in entry.fields.items() if name != "data"
    ]
    return [
        *attributes,
        ("ce_specversion", b"1.0"),
        ("ce_source", f"/streams/{stream}".encode()),
        ("content-type", b"application/json"),
        (_ID, entry.entry_id.encode()),
        (_LOG, log.encode()),
        (_NUMBER, str(number).encode()),
    ]


def record_of(message: Message) -> Record:
    """What the message holds. Where somebody else wrote it, it has no fields, and an id of its time that no event of
    the outbox has."""
    partition, offset = message.partition() or 0, message.offset() or 0
    headers = {name: value for name, value in _headers(message) if isinstance(value, bytes)}
    try:
        entry_id, log = headers[_ID].decode(), headers[_LOG].decode()
        position(entry_id), partitions_of_log(log)  # what is not ours fails here
        fields = {n[3:]: v.decode() for n, v in headers.items() if n.startswith("ce_") and n not in _NOT_FIELDS}
        value = message.value() or b""
        fields["data"] = value.decode() if isinstance(value, bytes) else value
        return Record(partition, offset, int(headers[_NUMBER]), log, Entry(entry_id, fields))
    except (KeyError, ValueError):  # UnicodeDecodeError is one
        return Record(partition, offset, 0, "", Entry(f"{max(0, message.timestamp()[1])}-{_NO_SEQ + offset}", {}))


def _headers(message: Message) -> list[tuple[str, Any]]:
    headers = message.headers() or []
    return list(headers.items()) if isinstance(headers, dict) else list(headers)

"""The provider, judged by OpenFeature's own client."""

from collections.abc import Iterator
from typing import Any

import pytest
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import EventDetails, ProviderEvent
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import Reason
from openfeature.provider import ProviderStatus

from event_stream_engine.flags.api import Flags
from event_stream_engine.flags.model import Held, unplanned
from event_stream_engine.flags.model.definition import checked
from event_stream_engine.flags.openfeature_provider import Provider
from event_stream_engine.flags.store import Loaded

DEFINITIONS: dict[str, dict[str, Any]] = {
    "b": {"type": "bool", "value": False, "rollout": {"percentage": 5000, "serve": {"value": True}}},
    "i": {"type": "int", "value": 3},
    "f": {"type": "float", "value": 2},
    "s": {"type": "string", "value": "x", "killed": True, "off": "off"},
    "j": {"type": "json", "value": {"a": [1]}},
    "l": {"type": "json", "value": [1, 2]},
}
LOADED = Loaded(1, unplanned() | {name: Held(checked(name, given), 4) for name, given in DEFINITIONS.items()})


@pytest.fixture
def flags() -> Flags:
    made = Flags()
    assert made.offer(LOADED)
    return made


@pytest.fixture
def client(flags: Flags) -> Iterator[OpenFeatureClient]:
    api.set_provider_and_wait(Provider(flags))
    yield api.get_client()
    api.clear_providers()


async def test_every_type_is_answered_with_variant_reason_and_version(client: OpenFeatureClient) -> None:
    person = EvaluationContext("contact-1")
    share = client.get_boolean_details("b", False, person)
    assert share.reason in (Reason.SPLIT, Reason.DEFAULT)
    assert share.variant == ("on" if share.value else "off")
    assert client.get_boolean_details("b", False).flag_metadata == {"version": 4, "detail": "no_key"}
    assert client.get_integer_details("i", 0).reason == Reason.STATIC
    assert (client.get_integer_value("i", 0), client.get_float_value("f", 0.5)) == (3, 2.0)
    assert client.get_string_details("s", "").reason == Reason.DISABLED
    assert client.get_string_value("s", "") == "off"
    assert client.get_object_value("j", {}) == {"a": [1]}
    assert client.get_object_value("l", []) == [1, 2]
    assert await client.get_integer_value_async("i", 0) == 3


def test_what_cannot_be_answered_gives_the_callers_default_and_the_code(client: OpenFeatureClient) -> None:
    unknown = client.get_boolean_details("none", True)
    assert (unknown.value, unknown.reason, unknown.error_code) == (True, Reason.ERROR, ErrorCode.FLAG_NOT_FOUND)
    wrong = client.get_boolean_details("i", True)
    assert (wrong.value, wrong.error_code) == (True, ErrorCode.TYPE_MISMATCH)


def test_staleness_is_a_reason_and_an_event(client: OpenFeatureClient, flags: Flags) -> None:
    heard: list[str | None] = []

    def hear(details: EventDetails) -> None:
        heard.append(details.message)

    client.add_handler(ProviderEvent.PROVIDER_STALE, hear)
    flags.doubt()
    assert client.get_integer_details("i", 0).reason == Reason.STALE
    assert client.get_provider_status() == ProviderStatus.STALE
    assert len(heard) == 1
    flags.offer(LOADED)
    assert client.get_provider_status() == ProviderStatus.READY

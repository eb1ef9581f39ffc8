"""Metrics stay bounded: label values, series of a scrape, and what a request may make of a label."""

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from event_stream_engine.entrypoints.metrics import requests
from event_stream_engine.entrypoints.metrics.families import Family, merged, samples_of, text_of
from event_stream_engine.telemetry import VALUES_MAX, Bounded
from event_stream_engine.web.guards import declared
from tests.web.client import Client


def series(name: str, count: int) -> Family:
    return Family(name, "gauge", "Some", [(name, {"n": str(n)}, float(n)) for n in range(count)])


def truncated(metric: str) -> float:
    return REGISTRY.get_sample_value("ese_metrics_truncated_total", {"metric": metric}) or 0.0


def test_further_values_of_a_label_become_other_and_are_counted() -> None:
    label = Bounded("a_label_of_this_test")
    assert [label.value(str(n)) for n in range(VALUES_MAX)] == [str(n) for n in range(VALUES_MAX)]
    assert (label.value("51"), label.value("52"), label.value("0")) == ("other", "other", "0")
    assert truncated("a_label_of_this_test") == 2


def test_a_scrape_holds_no_more_series_than_its_bound_and_says_how_many_were_left_out() -> None:
    body, left_out = text_of([series("a", 30), series("b", 30), series("c", 30)], 50)
    assert (len(body.decode().splitlines()), left_out) == (50 + 4, 40)


def test_the_text_is_what_prometheus_reads_and_the_evaluator_sees() -> None:
    awkward = Family("ese_x", "counter", 'A "quoted"\nhelp \\ text', [("ese_x_total", {"l": 'va"l\\ue\nx'}, 2.5)])
    found = merged([awkward.of("work", "h:1"), series("ese_y", 2), awkward.of("work", "h:2")])
    body, _ = text_of(found, 100)
    read = {(s.name, tuple(sorted(s.labels.items())), s.value) for s in parsed(body)}
    assert read == {tuple(sample) for sample in samples_of(found)}
    assert body.decode().count("# TYPE ese_x_total counter") == 1


def parsed(body: bytes) -> Iterator[object]:
    for family in text_string_to_metric_families(body.decode()):
        yield from family.samples


@pytest.mark.parametrize("path", ["/api/v1/nowhere/{}", "/api/v1/flags/{}"])
async def test_made_up_addresses_make_no_new_labels(owner: Client, path: str) -> None:
    before = truncated("http_route")
    for n in range(60):
        await owner.get(path.format(f"v{n}"))
    routes = {s.labels["route"] for m in REGISTRY.collect() if m.name == "ese_http_requests" for s in m.samples}
    assert not [route for route in routes if "v59" in route]
    assert truncated("http_route") == before


def test_every_route_has_its_own_label(app: FastAPI) -> None:
    assert len({route.path for route in declared(app)}) < requests.ROUTES_MAX

"""A reply is an opt-out in whatever words it comes, and an ordinary reply is not."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_stream_engine.errors import Invalid
from event_stream_engine.messaging.model.replies import Reading, StopWords, read_reply
from event_stream_engine.messaging.model.replies.keywords import (
    KeywordRequired,
    checked_keyword,
    default_keywords,
    require_removable,
)
from event_stream_engine.messaging.model.replies.text import normalize
from event_stream_engine.messaging.model.replies.wording import concepts_digest, trained_from
from tests.messaging.replies.examples import BLIND, MEASURED, SECOND, TRAINED, examples

WORDS = StopWords()


def read(body: str) -> Reading:
    return read_reply(body, WORDS)


@pytest.mark.parametrize(
    "body",
    [
        "STOP", " stop. ", "Stop!!", "stop all", "OPT-OUT", "“Unsubscribe”", "Cancel", "stop please", "STOP STOP",
        "stop 🛑", "🛑", "Ｓｔｏｐ", "s t o p", "S.T.O.P", "stoppp", "STOP" + "!" * 20, "Stop promotions", "arrêt",
        "ARRET", "PARAR", "BAJA", "baja por favor", "SAIR", "abmelden", "Bitte abmelden", "ENDE", "wypisz mnie",
        "iptal",
        "DUR", "停止", "退订", "配信停止してください", "توقف", "من فضلك توقف", "стоп", "수신거부", "बंद करें",
        "Hello\nSTOP", "STOP\nSent from my iPhone",
    ],
)  # fmt: skip
def test_a_keyword_of_any_language_stops_in_any_dress(body: str) -> None:
    assert (read(body).kind, read(body).basis) == ("stop", "keyword")


@pytest.mark.parametrize(
    ("body", "kind"),
    [("start", "start"), ("Unstop.", "start"), ("INFO?", "help"), ("help", "help"), ("", "empty"), (" \n", "empty"),
     ("👍", "text"), ("Thanks!", "text"), ("What time do you open?", "text")],
)  # fmt: skip
def test_other_replies_are_what_they_are(body: str, kind: str) -> None:
    assert read(body).kind == kind


@pytest.mark.parametrize("body", ["Yes", "Yes!", "YES please", "y", "sí", "да", "Ja"])
def test_a_yes_is_no_consent_to_marketing(body: str) -> None:
    assert read(body).kind == "text"
    assert read_reply(body, WORDS, opt_out_type=None).kind == "text"


def test_twilios_yes_opts_nobody_in_but_its_other_verdicts_count() -> None:
    assert read_reply("Yes", WORDS, opt_out_type="START").kind == "text"
    assert read_reply("JOIN", WORDS, opt_out_type="START") == Reading("start", "provider")
    assert read_reply("nope", WORDS, opt_out_type="STOP") == Reading("stop", "provider")
    assert read_reply("STOP", WORDS, opt_out_type="SOMETHING_NEW").kind == "stop"


def test_a_button_says_what_its_payload_says() -> None:
    assert read_reply("No more offers", WORDS, button="STOP") == Reading("stop", "button", language="en")
    assert read_reply("Stop promotions", WORDS, button="c71f").kind == "stop"
    assert read_reply("Sign me up", WORDS, button="START") == Reading("start", "button")
    assert read_reply("Yes, please", WORDS, button="confirm").kind == "text"


def test_a_picture_is_media_and_a_captioned_stop_stops() -> None:
    assert read_reply("", WORDS, has_media=True).kind == "media"
    assert read_reply("stop", WORDS, has_media=True).kind == "stop"


def test_an_opt_out_in_the_middle_of_a_long_reply_is_found() -> None:
    before = "Hello, I ordered two pairs of shoes from you in March and they arrived in good time. " * 3
    assert read(f"{before}Please take me off your list and stop texting me. Kind regards, Ana").kind == "stop"
    assert read(before).kind == "text"


def test_the_list_can_be_changed_but_for_the_words_of_the_law() -> None:
    assert StopWords(added=[checked_keyword("Unten Durch!")]).find("unten durch") == "unten durch"
    assert WORDS.find("unten durch") is None
    assert StopWords(removed=[normalize("BAJA")]).find("baja") is None
    assert StopWords(removed=["stop"]).find("STOP") == "stop"
    with pytest.raises(KeywordRequired):
        require_removable("stop")
    for word in ("", "🎉", "start", "x" * 61):
        with pytest.raises(Invalid):
            checked_keyword(word)


@pytest.mark.parametrize(
    ("path", "recall", "false_alarms"),
    [(MEASURED, 0.99, 0.05), (SECOND, 0.98, 0.085), (BLIND, 0.93, 0.19)],
    ids=["a set that the features were made with", "one that the threshold was chosen with", "a blind set"],
)
def test_opt_outs_are_recognized_and_other_replies_are_not(path: Path, recall: float, false_alarms: float) -> None:
    """The goal is 0.99 and 0.05; for the other sets these are the figures reached, so that they do not get worse."""
    found = examples(path)
    opt_outs = [example for example in found if example.is_opt_out]
    others = [example for example in found if not example.is_opt_out]
    assert len(found) >= 400
    assert len({example.language for example in found}) >= 10
    missed = [example for example in opt_outs if example.read().kind != "stop"]
    alarms = [example for example in others if example.read().kind == "stop"]
    assert len(missed) <= (1 - recall) * len(opt_outs), missed
    assert len(alarms) <= false_alarms * len(others), alarms


def test_no_reply_is_both_measured_and_trained_with() -> None:
    trained = {example.text.casefold() for example in examples(TRAINED)}
    measured = [*examples(MEASURED), *examples(SECOND), *examples(BLIND)]
    by_wording = [example for example in measured if example.read().basis != "keyword"]
    assert not [example for example in by_wording if example.text.casefold() in trained]


def test_the_weights_are_of_the_present_concepts() -> None:
    assert trained_from() == concepts_digest(), "Run python tools/opt_out/train.py"


@given(st.text(max_size=1600))
def test_any_text_is_read(body: str) -> None:
    reading = read(body)
    assert reading.score is None or 0 <= reading.score <= 1


@given(st.sampled_from(sorted(default_keywords())), st.sampled_from(["", " ", "!", ".", " 🛑", "\n"]))
def test_every_keyword_stops_alone(word: str, tail: str) -> None:
    assert read(word.upper() + tail).kind == "stop"

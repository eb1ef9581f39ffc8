"""Twilio's signatures, against its published vectors and its published library."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator, get_signature_algorithm

from event_stream_engine.messaging.twilio.signature import SHA1, SHA256, algorithm_of, sign, sign_body, verify

TOKEN = "12345"
URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
PARAMS = [
    ("CallSid", "CA1234567890ABCDE"),
    ("Digits", "1234"),
    ("From", "+14158675309"),
    ("To", "+18005551212"),
    ("Caller", "+14158675309"),
]
SIGNATURE = "RSOYDt4T1cUTdK1PDd93/VVr8B8="
BODY_HASH = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"

texts = st.text(alphabet=st.characters(codec="utf-8"), max_size=30)
forms = st.dictionaries(texts, texts, max_size=8)
hosts = st.from_regex(r"[a-z]{1,8}(\.[a-z]{2,5}){1,2}", fullmatch=True)
urls = st.builds(
    lambda scheme, host, port, path, query: f"{scheme}://{host}{port}/{path}{query}",
    st.sampled_from(["http", "https"]),
    hosts,
    st.sampled_from(["", ":80", ":443", ":8700"]),
    st.from_regex(r"[a-zA-Z0-9_/.%-]{0,20}", fullmatch=True),
    st.sampled_from(["", "?id=7", "?a=1&b=%20x"]),
)


class MultiDict(dict[str, list[str]]):
    """The shape in which web frameworks hand repeated fields to Twilio's validator."""

    def getlist(self, name: str) -> list[str]:
        return self[name]


def test_published_form_vector_is_reproduced() -> None:
    assert sign(TOKEN, URL, PARAMS) == SIGNATURE
    assert verify([TOKEN], URL, PARAMS, SIGNATURE)


def test_published_body_hash_vector_is_reproduced() -> None:
    assert sign(TOKEN, f"{URL}&bodySHA256={BODY_HASH}", []) == "a9nBmqA0ju/hNViExpshrM61xv4="


@given(token=texts, url=urls, form=forms)
def test_what_we_sign_twilios_library_accepts(token: str, url: str, form: dict[str, str]) -> None:
    assert RequestValidator(token).validate(url, form, sign(token, url, list(form.items())))


@given(token=texts, url=urls, form=forms)
def test_what_twilios_library_signs_we_accept(token: str, url: str, form: dict[str, str]) -> None:
    signature = RequestValidator(token).compute_signature(url, form)
    assert verify([token], url, list(form.items()), signature)


@given(url=urls, form=st.dictionaries(texts, st.lists(texts, min_size=1, max_size=4), max_size=4))
def test_repeated_fields_are_signed_as_twilios_library_does(url: str, form: dict[str, list[str]]) -> None:
    pairs = [(name, value) for name, values in form.items() for value in values]
    assert sign(TOKEN, url, pairs) == RequestValidator(TOKEN).compute_signature(url, MultiDict(form))


@given(body=st.text(alphabet=st.characters(codec="utf-8")), url=urls)
def test_body_signatures_agree_with_twilios_library(body: str, url: str) -> None:
    extended, signature = sign_body(TOKEN, url, body.encode())
    assert RequestValidator(TOKEN).validate(extended, body, signature)
    assert verify([TOKEN], extended, [], signature, body.encode())


@given(url=urls, form=forms, other=texts)
def test_another_token_or_a_changed_field_is_refused(url: str, form: dict[str, str], other: str) -> None:
    signature = sign(TOKEN, url, list(form.items()))
    assert verify([other], url, list(form.items()), signature) == (other == TOKEN)
    assert not verify([TOKEN], url, [*form.items(), ("Body", "added to the end")], signature)


@pytest.mark.parametrize(
    ("signed", "called"),
    [
        ("https://example.org/hook", "https://example.org:443/hook"),
        ("https://example.org:443/hook", "https://example.org/hook"),
        ("http://example.org:80/hook?a=1", "http://example.org/hook?a=1"),
    ],
)
def test_the_default_port_may_be_written_or_left_out(signed: str, called: str) -> None:
    assert verify([TOKEN], called, PARAMS, sign(TOKEN, signed, PARAMS))


def test_the_fragment_is_not_part_of_the_signature() -> None:
    assert sign(TOKEN, f"{URL}#rc=5&rp=all", PARAMS) == SIGNATURE


def test_blank_values_are_signed() -> None:
    with_blank = [*PARAMS, ("Body", "")]
    assert verify([TOKEN], URL, with_blank, RequestValidator(TOKEN).compute_signature(URL, dict(with_blank)))
    assert sign(TOKEN, URL, with_blank) != SIGNATURE


def test_both_tokens_count_during_a_rotation() -> None:
    assert verify(["new", TOKEN], URL, PARAMS, SIGNATURE)
    assert verify([TOKEN, "new"], URL, PARAMS, SIGNATURE)
    assert not verify([], URL, PARAMS, SIGNATURE)


@pytest.mark.parametrize("signature", ["", "x", "\ud800", SIGNATURE[:-1], SIGNATURE.lower()])
def test_a_malformed_signature_is_refused_without_an_error(signature: str) -> None:
    assert not verify([TOKEN], URL, PARAMS, signature)


def test_a_changed_body_is_refused() -> None:
    url, signature = sign_body(TOKEN, URL, b'{"a":1}')
    assert not verify([TOKEN], url, [], signature, b'{"a":2}')
    assert not verify([TOKEN], URL, [], sign(TOKEN, URL, []), b'{"a":1}')


@given(secret=texts, url=urls, form=forms)
def test_a_shared_keys_signature_agrees_with_twilios_library(secret: str, url: str, form: dict[str, str]) -> None:
    pairs = list(form.items())
    theirs = RequestValidator(secret).compute_signature(url, form, SHA256)
    assert verify([secret], url, pairs, theirs, algorithm=SHA256)
    assert RequestValidator(secret).validate(url, form, sign(secret, url, pairs, SHA256), SHA256)
    assert not verify([secret], url, pairs, theirs, algorithm=SHA1)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256",
        "algorithm = HMAC_SHA256 ,key=x",
        "key=x",
        "algorithm=",
        "x",
    ],
)
def test_the_algorithm_is_read_as_twilios_library_reads_it(header: str) -> None:
    assert algorithm_of(header) == get_signature_algorithm(header)


def test_an_unknown_algorithm_is_refused() -> None:
    assert not verify([TOKEN], URL, PARAMS, SIGNATURE, algorithm="HMAC_MD5")

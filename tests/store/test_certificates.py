"""Certificates: the same request is the same certificate, byte for byte."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.store.made import certificate

from soundproof.errors import UnknownCertificate
from soundproof.store.store import Store


def test_a_certificate_is_found_by_its_id_and_by_its_request(store: Store) -> None:
    kept = store.certificates.keep(certificate(1))
    assert kept == certificate(1)
    assert store.certificates.get(kept.certificate_id) == kept
    assert store.certificates.answer_to(kept.request_key) == kept


def test_what_was_never_kept_is_not_found(store: Store) -> None:
    store.certificates.keep(certificate(1))
    assert store.certificates.answer_to(certificate(2).request_key) is None
    with pytest.raises(UnknownCertificate, match="sha256"):
        store.certificates.get(certificate(2).certificate_id)


def test_the_first_certificate_of_a_request_is_kept(store: Store) -> None:
    first = store.certificates.keep(certificate(1, words="at noon"))
    assert store.certificates.keep(certificate(1, words="at one")) == first
    assert store.certificates.keep(certificate(2, key=1)) == first
    assert store.certificates.get(first.certificate_id).body == first.body
    with pytest.raises(UnknownCertificate):
        store.certificates.get(certificate(2).certificate_id)


def test_the_same_certificate_under_another_key_is_the_one_that_is_kept(store: Store) -> None:
    first = store.certificates.keep(certificate(1))
    assert store.certificates.keep(certificate(1, key=2, words="later")) == first


def test_the_requests_own_certificate_comes_before_an_equal_one(store: Store) -> None:
    store.certificates.keep(certificate(1))
    own = store.certificates.keep(certificate(2))
    assert store.certificates.keep(certificate(1, key=2)) == own


def test_whoever_certifies_the_same_at_once_gets_the_same_bytes(store: Store) -> None:
    for request in range(5):
        with ThreadPoolExecutor(8) as pool:
            made = [certificate(100 * request + n, key=request) for n in range(8)]
            kept = list(pool.map(store.certificates.keep, made))
        assert len(set(kept)) == 1
        assert kept[0] in made


def test_certificates_outlive_the_store(url: str) -> None:
    with Store(url) as store:
        store.certificates.keep(certificate(1))
    with Store(url) as store:
        assert store.certificates.get(certificate(1).certificate_id) == certificate(1)


def test_a_secret_is_made_once(new_url: Callable[[], str]) -> None:
    url = new_url()
    with Store(url) as store, ThreadPoolExecutor(8) as pool:
        made = [bytes([n]) * 32 for n in range(8)]
        given = list(pool.map(lambda value: store.secrets.get("seed_key", lambda: value), made))
        assert len(set(given)) == 1
        assert given[0] in made
        assert store.secrets.get("another", lambda: b"x") == b"x"
    with Store(url) as store:
        assert store.secrets.get("seed_key", lambda: b"never asked for") == given[0]

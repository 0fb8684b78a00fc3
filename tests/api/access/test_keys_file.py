"""The file of keys: what it may be, and that a fault of it is told without what stands there."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from soundproof.api_keys import KEY, ApiKey, Budget, Scope, new_secret, read_api_keys, sha256_of

SHA = "a" * 64
ENTRY = f'[[key]]\nname = "ci"\nsha256 = "{SHA}"\nscopes = ["certify"]\n'


def read(tmp_path: Path, text: str | bytes) -> tuple[ApiKey, ...]:
    file = tmp_path / "keys.toml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_api_keys(file)


def test_an_entry_is_read_as_it_is_written(tmp_path: Path) -> None:
    entries = (
        ApiKey(name="ci", sha256=SHA, scopes=frozenset(Scope), budget=Budget(cost=1e12, refill_s=86400)),
        ApiKey(name="anna-2.x", sha256="b" * 64, scopes=frozenset({Scope.READ})),
    )
    assert read(tmp_path, "\n".join(entry.toml for entry in entries)) == entries


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "key: Field required"),
        ("key = []", "key: List should have at least 1 item"),
        (ENTRY + ENTRY.replace(SHA, "b" * 64), "two keys have the name 'ci'"),
        (ENTRY + ENTRY.replace("ci", "anna"), "two keys have the sha256"),
        (ENTRY.replace('"certify"', '"certify", "root"'), "key.0.scopes"),
        (ENTRY.replace('"certify"', ""), "key.0.scopes"),
        (ENTRY.replace('name = "ci"', 'name = "Anna B."'), "key.0.name"),
        (ENTRY.replace(SHA, SHA.upper()), "key.0.sha256"),
        (ENTRY.replace(SHA, "sp_" + "x" * 43), "key.0.sha256"),
        (ENTRY + "scope = 1", "key.0.scope: Extra inputs"),
        (ENTRY + "budget = 5", "key.0.budget"),
        (ENTRY + "budget = {cost = inf, refill_s = 5}", "key.0.budget.cost"),
        (ENTRY + "budget = {cost = 5, refill_s = 0}", "key.0.budget.refill_s"),
        (ENTRY + "[other]", "other: Extra inputs"),
        ("[[key", "is not TOML"),
        (b"\xff", "is not text"),
        (b"#" * ((1 << 20) + 1), "is larger than"),
        ("".join(ENTRY.replace("ci", f"c{n}").replace(SHA, f"{n:064x}") for n in range(1001)), "at most 1000 items"),
    ],
)
def test_a_faulty_file_has_no_keys(tmp_path: Path, text: str | bytes, told: str) -> None:
    with pytest.raises(ValueError, match=r"keys\.toml") as refused:
        read(tmp_path, text)
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "sp_x" not in str(refused.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="No such file"):
        read_api_keys(tmp_path / "none")


def test_a_key_has_256_bits_and_no_two_are_alike() -> None:
    secrets = {new_secret() for _ in range(100)}
    assert len(secrets) == 100
    assert all(KEY.fullmatch(secret) for secret in secrets)
    assert len({sha256_of(secret) for secret in secrets}) == 100


@pytest.mark.parametrize("name", ["", "A", "-a", "a b", "a\n", 'a"', "a" * 65])
def test_a_name_is_one_that_logs_and_metrics_can_show(name: str) -> None:
    with pytest.raises(ValidationError, match="name"):
        ApiKey(name=name, sha256=SHA, scopes=frozenset(Scope))

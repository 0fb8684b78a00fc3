"""docker/secrets.sh makes secrets that the service takes, and never makes them anew."""

import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from tests.conftest import ROOT
from tests.docker.compose import variables

from soundproof.settings import Settings

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
NAMES = {"seed_key", "signing_key", "store_url", "postgres_password"}


def make(folder: Path) -> str:
    script = ROOT / "docker" / "secrets.sh"
    return subprocess.run([script, folder], capture_output=True, text=True, timeout=60, check=True).stdout


def test_the_service_takes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = make(tmp_path / "secrets")
    settings = dict(line.lstrip("#").split("=", 1) for line in told.splitlines() if "=" in line)
    assert settings.keys() <= variables()
    for name, path in settings.items():
        monkeypatch.setenv(name, path)
    taken = Settings()
    signer = taken.signer()
    assert signer
    assert signer.algorithm == "ed25519"
    assert len(taken.seed_key.get_secret_value()) == 64
    password = (tmp_path / "secrets" / "postgres_password").read_text().strip()
    assert taken.store.get_secret_value() == f"postgresql://soundproof:{password}@postgres/soundproof"
    assert password not in told


def test_only_their_owner_can_reach_them_though_any_container_can_read_them(tmp_path: Path) -> None:
    make(tmp_path / "secrets")
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    assert {stat.S_IMODE((tmp_path / "secrets" / name).stat().st_mode) for name in NAMES} == {0o444}
    assert (tmp_path / "secrets" / ".gitignore").read_text() == "*\n"


def test_what_is_there_stays(tmp_path: Path) -> None:
    make(tmp_path / "secrets")
    before = {path.name: path.read_bytes() for path in (tmp_path / "secrets").iterdir()}
    assert before.keys() == NAMES | {".gitignore"}
    make(tmp_path / "secrets")
    assert {path.name: path.read_bytes() for path in (tmp_path / "secrets").iterdir()} == before

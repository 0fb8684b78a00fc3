"""docker-compose.yml: valid, of files and settings that exist, and every container with as little as it needs."""

import json
import re
from importlib.resources import files
from typing import Any

import jsonschema
import pytest
from tests.conftest import ROOT
from tests.docker.compose import FILE, compose, variables
from tests.docker.dockerfile import stages

from soundproof import __version__
from soundproof.configuration import variable

SERVICES: dict[str, dict[str, Any]] = compose()["services"]
PROMETHEUS = ROOT / "docker" / "prometheus.yml"
OURS = ["service", "service-gpu"]
SECRETS = {
    "SOUNDPROOF_SEED_KEY_FILE": "keys/seed",
    "SOUNDPROOF_SIGNING_KEY_FILE": "keys/signing",
    "SOUNDPROOF_STORE_FILE": "keys/url",
    "SOUNDPROOF_API_KEYS": "keys/api",
}


@pytest.mark.parametrize("environment", [{}, SECRETS])
def test_it_is_a_compose_file(environment: dict[str, str]) -> None:
    schema = files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    jsonschema.Draft202012Validator(json.loads(schema.read_text())).validate(compose(environment))


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_may_do_little(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert "cap_add" not in service
    limits = service["deploy"]["resources"]["limits"]
    assert limits.keys() == {"cpus", "memory", "pids"}
    assert service["restart"] == "unless-stopped"
    assert "/var/run/docker.sock" not in str(service)


@pytest.mark.parametrize("name", SERVICES)
def test_a_port_is_open_to_this_machine_only(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_checked_for_health(name: str) -> None:
    """The service by its image's HEALTHCHECK, the others by one here."""
    if name in OURS:
        assert stages()["base"].last("HEALTHCHECK")
        assert SERVICES[name]["build"]["target"] in stages()
    else:
        assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize("name", sorted(SERVICES.keys() - OURS))
def test_an_image_of_others_is_pinned_by_tag_and_digest(name: str) -> None:
    assert re.fullmatch(r"[a-z/]+:v?\d+\.\d+[\w.-]*@sha256:[0-9a-f]{64}", SERVICES[name]["image"])


@pytest.mark.parametrize("name", OURS)
def test_an_image_of_ours_has_the_version_of_the_package(name: str) -> None:
    assert SERVICES[name]["image"] == f"soundproof:{__version__}-{SERVICES[name]['build']['target']}"


def test_every_file_and_folder_that_is_mounted_exists() -> None:
    document = compose()
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", [])]
    bound = [mount["source"] for mount in mounts if mount["type"] == "bind"]
    assert all(mount["read_only"] for mount in mounts if mount["type"] == "bind")
    secret = [each["file"] for each in document["secrets"].values()]
    for path in (*bound, *secret, *(SERVICES[name]["build"]["dockerfile"] for name in OURS)):
        assert (ROOT / path).exists(), path
    assert {mount["source"] for mount in mounts if mount["type"] == "volume"} == document["volumes"].keys()


def test_every_variable_of_ours_is_a_setting() -> None:
    known = {name for each in variable.variables() for name in (each.name, each.file) if name}
    set_here = {name for name in OURS for name in SERVICES[name]["environment"]}
    assert set_here <= known
    assert {name for name in variables() if name.startswith("SOUNDPROOF_")} <= known


@pytest.mark.parametrize("name", OURS)
def test_without_secrets_nothing_is_read_from_a_file(name: str) -> None:
    environment = SERVICES[name]["environment"]
    assert {each: environment[each] for each in SECRETS} == dict.fromkeys(SECRETS)
    assert {each["file"] for each in compose()["secrets"].values()} == {"docker/none"}


@pytest.mark.parametrize("name", OURS)
def test_a_secret_is_mounted_from_the_host_and_read_where_it_is_mounted(name: str) -> None:
    document = compose(SECRETS)
    service = document["services"][name]
    for variable_name, path in SECRETS.items():
        mounted = service["environment"][variable_name].removeprefix("/run/secrets/")
        assert mounted in service["secrets"]
        assert document["secrets"][mounted]["file"] == path


def test_no_secret_stands_in_an_environment() -> None:
    assert not re.search(r"(PASSWORD|KEY|TOKEN)(?!_FILE|S:)\w*:", FILE.read_text())
    for service in SERVICES.values():
        assert "env_file" not in service


@pytest.mark.parametrize("name", OURS)
def test_a_service_may_be_open_since_its_port_is_published_to_this_machine_only(name: str) -> None:
    service = compose(SECRETS)["services"][name]
    assert service["environment"]["SOUNDPROOF_OPEN"] == "true"
    assert service["environment"]["SOUNDPROOF_API_KEYS"] == "/run/secrets/api_keys"
    assert service["ports"] == ["127.0.0.1:8000:8000"]


def test_prometheus_has_the_key_that_its_configuration_speaks_of() -> None:
    [line] = [line for line in PROMETHEUS.read_text().splitlines() if "authorization" in line]
    assert line.strip().startswith("# authorization: {credentials_file: /run/secrets/metrics_key}")
    document = compose({"METRICS_KEY_FILE": "keys/metrics"})
    assert document["services"]["prometheus"]["secrets"] == ["metrics_key"]
    assert document["secrets"]["metrics_key"]["file"] == "keys/metrics"


@pytest.mark.parametrize("name", OURS)
def test_the_store_is_kept_in_a_volume(name: str) -> None:
    targets = {mount["target"]: mount for mount in SERVICES[name]["volumes"]}
    volume = stages()["base"].last("VOLUME")
    assert volume
    assert targets[volume.value]["type"] == "volume"


def test_profiles_are_what_the_document_says() -> None:
    profiles = {name: service.get("profiles", []) for name, service in SERVICES.items()}
    assert {name for name, of in profiles.items() if not of} == {"service", "prometheus", "grafana"}
    assert profiles["service-gpu"] == ["gpu"]
    assert profiles["postgres"] == ["postgres"]
    assert SERVICES["service-gpu"]["deploy"]["resources"]["reservations"]["devices"][0]["driver"] == "nvidia"
    assert SERVICES["postgres"]["networks"] == ["database"]
    assert compose()["networks"]["database"] == {"internal": True}

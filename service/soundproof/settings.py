"""Environment -> frozen Settings. Read by the API and the command line, by nothing below them."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from soundproof.engine.devices import devices as devices_of
from soundproof.errors import InvalidPlan
from soundproof.secret_files import SecretFiles, Unreadable
from soundproof.secret_url import SecretUrl
from soundproof.signing import SigningKey, read_signing_key, signing_key

SHORTEST_SEED_KEY = 32


class Settings(BaseSettings):
    """Every setting, its unit and its default. The variable is SOUNDPROOF_ and the name in capitals."""

    model_config = SettingsConfigDict(
        env_prefix="SOUNDPROOF_", frozen=True, extra="ignore", hide_input_in_errors=True, allow_inf_nan=False
    )

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    models: Path = Field(Path("models"), description="folder whose sub-folders with a model.json are served")
    default_model: str = Field(
        "",
        description="model of requests that name none, loaded at the start; empty: the one named in its file DEFAULT, "
        "else the first by folder name",
    )
    devices: str = Field(
        "auto", description="comma-separated torch devices, one worker each; auto: every GPU, else cpu"
    )
    cores: int = Field(0, ge=0, le=1024, description="cores that a worker on the CPU computes on; 0: all it may use")
    model_memory_bytes: int = Field(
        2 << 30,
        ge=1,
        description="models that each worker holds in memory, by the size of their files; beyond it the least recently "
        "used that no run needs makes room, and a larger one is held alone",
    )
    models_watch_s: float = Field(
        0.0, ge=0, le=3600, description="seconds between two looks for changed models; 0: only SIGHUP reads them again"
    )
    max_upload_bytes: int = Field(8 << 20, ge=1024, description="largest request body")
    max_duration_s: float = Field(60.0, gt=0, le=3600, description="longest clip")
    max_samples: int = Field(
        1_000_000, ge=1, description="largest n, and n0, of a request; n0 never exceeds 100,000 nor n 10,000,000"
    )
    body_deadline_s: float = Field(30.0, gt=0, description="time to send a whole request body")
    queue_runs: int = Field(64, ge=1, description="requests admitted at once")
    queue_cost: float = Field(2e10, gt=0, description="admitted work, in noise samples x clip samples")
    queue_audio_bytes: int = Field(64 << 20, ge=1, description="decoded audio held by admitted requests")
    store: SecretUrl = Field(
        SecretUrl("sqlite:///soundproof.db"),
        description="where certificates and jobs are kept: sqlite:///FILE (four slashes: an absolute path) or "
        "postgresql://...; empty: in a temporary file that ends with the process",
    )
    keep_jobs_days: float = Field(30.0, gt=0, le=36500, description="days after its end that a job is kept")
    keep_certificates_days: float = Field(
        365.0, gt=0, le=36500, description="days that a certificate is kept; longer while a job shows it"
    )
    job_clips: int = Field(10_000, ge=1, le=1_000_000, description="most clips of a job")
    job_upload_bytes: int = Field(1 << 30, ge=1024, description="largest body of POST /jobs")
    job_unpacked_bytes: int = Field(4 << 30, ge=1024, description="clips of a job's archive, unpacked")
    job_expansion: float = Field(
        100.0, ge=1, le=2000, description="most unpacked bytes for each byte of a job's archive"
    )
    job_deadline_s: float = Field(600.0, gt=0, description="time to send the whole body of POST /jobs")
    job_places: int = Field(3, ge=1, le=256, description="clips of jobs worked on at a time, for each device")
    open_clips: int = Field(
        100_000, ge=1, description="clips of jobs that may wait; a job that would make more is answered 429"
    )
    seed_key: SecretStr = Field(
        SecretStr(""),
        description="secret of at least 32 characters that the service's own seeds are derived with; "
        "empty: one that the store makes and keeps. Replicas need the same one to answer alike",
    )
    signing_key: SecretStr = Field(
        SecretStr(""),
        description="key that certificates are signed with: the PEM of an Ed25519 private key, or a secret of at least "
        "32 characters (HMAC-SHA256); empty: they are not signed",
    )
    signing_key_file: Path | None = Field(
        None, description="the same from a file, such as `soundproof keys new` makes; read once, at the start"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least grave messages that are logged"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  (pydantic's signature)
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, SecretFiles(settings_cls), env_settings

    @field_validator("*", mode="before")
    @classmethod
    def _readable(cls, given: object) -> object:
        if isinstance(given, Unreadable):
            raise ValueError(given.reason)  # noqa: TRY004  (pydantic's way to tell of a value)
        return given

    @field_validator("devices")
    @classmethod
    def _devices_that_go_together(cls, wanted: str) -> str:
        try:
            if wanted.strip() != "auto":
                devices_of(wanted)
        except InvalidPlan as error:
            raise ValueError(f"SOUNDPROOF_DEVICES: {error}") from None
        return wanted

    @field_validator("seed_key")
    @classmethod
    def _never_guessable(cls, key: SecretStr) -> SecretStr:
        """Certificates publish seeds and what they were derived from: a key that can be guessed can be found out, and
        whoever knows it can pick requests whose seeds they like."""
        secret = key.get_secret_value()
        if secret and len(secret) < SHORTEST_SEED_KEY:
            raise ValueError(f"SOUNDPROOF_SEED_KEY has {len(secret)} characters; it needs at least {SHORTEST_SEED_KEY}")
        return key

    @field_validator("signing_key_file", mode="before")
    @classmethod
    def _empty_is_none(cls, given: object) -> object:
        return given or None

    @model_validator(mode="after")
    def _one_signing_key(self) -> Self:
        if self.signing_key.get_secret_value() and self.signing_key_file:
            raise ValueError("SOUNDPROOF_SIGNING_KEY and SOUNDPROOF_SIGNING_KEY_FILE are both set; set one")
        self.signer()
        return self

    def signer(self) -> SigningKey | None:
        """The key that certificates are signed with. ValueError says why it is none, and nothing of the key."""
        if self.signing_key_file:
            return read_signing_key(self.signing_key_file)
        text = self.signing_key.get_secret_value()
        return signing_key(text) if text else None

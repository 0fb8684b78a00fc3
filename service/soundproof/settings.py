"""Environment -> frozen Settings. Read by the API and the command line, by nothing below them."""

from importlib.util import find_spec
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from soundproof.api_keys import read_api_keys
from soundproof.audio.compressed import CONTAINERS, ContainerName
from soundproof.engine.devices import devices as devices_of
from soundproof.errors import InvalidPlan
from soundproof.logs import LogFormat, LogLevel
from soundproof.secret_files import SecretFiles, Unreadable
from soundproof.secret_url import SecretUrl
from soundproof.signing import SigningKey, read_signing_key, signing_key
from soundproof.trace_endpoint import checked_endpoint

SHORTEST_SEED_KEY = 32


class Settings(BaseSettings):
    """Every setting, its unit and its default. The variable is SOUNDPROOF_ and the name in capitals."""

    model_config = SettingsConfigDict(
        env_prefix="SOUNDPROOF_", frozen=True, extra="ignore", hide_input_in_errors=True, allow_inf_nan=False
    )

    host: str = Field("127.0.0.1", description="address to listen on")
    open: bool = Field(
        False, description="whether an address that is not this machine's own may be listened on without API keys"
    )
    api_keys: Path | None = Field(
        None,
        description="file with the API keys that requests need (docs/access.md), read again on SIGHUP; empty: "
        "whoever reaches the service may use it",
    )
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
    worker_unready_s: float = Field(
        30.0,
        gt=0,
        le=3600,
        description="time without votes from a worker that has some to draw until GET /readyz is 503: longer than a "
        "message of votes of the slowest model takes",
    )
    worker_stall_s: float = Field(
        120.0, gt=0, le=86400, description="the same until it is ended and another does its work"
    )
    models_watch_s: float = Field(
        0.0, ge=0, le=3600, description="seconds between two looks for changed models; 0: only SIGHUP reads them again"
    )
    max_upload_bytes: int = Field(8 << 20, ge=1024, description="largest request body")
    max_duration_s: float = Field(60.0, gt=0, le=3600, description="longest clip")
    formats: str = Field(
        "",
        description="formats of clips that are read beside WAV, comma-separated: flac, ogg (Vorbis and Opus), mp3; "
        "every such clip is decoded in a process of its own. They take the extra [formats]",
    )
    decode_deadline_s: float = Field(
        20.0, ge=1, le=600, description="time to decode one clip of these; half of it in computing"
    )
    max_samples: int = Field(
        1_000_000, ge=1, description="largest n, and n0, of a request; n0 never exceeds 100,000 nor n 10,000,000"
    )
    body_deadline_s: float = Field(30.0, gt=0, description="time to send a whole request body")
    unread_s: float = Field(
        60.0, gt=0, le=3600, description="time in which a client has to take 48 KiB of its answer; else it is cut off"
    )
    drain_s: float = Field(
        6.0,
        ge=0,
        le=3600,
        description="time that requests under way have to end after SIGTERM; then they are answered 503. Whoever "
        "stops the service has to wait 5 s longer, and 25 s where something else keeps the store locked",
    )
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
    log_level: LogLevel = Field("info", description="least grave messages that are logged")
    log_format: LogFormat = Field("text", description="lines of the log: text for people, json for a collector")
    tracing: str = Field(
        "",
        description="http://HOST:PORT of an OTLP collector that traces are sent to, or otel: where OpenTelemetry's own "
        "variables say (OTEL_EXPORTER_OTLP_ENDPOINT and others); empty: none are made",
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

    @field_validator("formats")
    @classmethod
    def _formats_that_can_be_read(cls, wanted: str) -> str:
        names = [name.strip() for name in wanted.split(",")] if wanted.strip() else []
        known = ", ".join(CONTAINERS)
        for name in names:
            if name not in CONTAINERS:
                raise ValueError(f"SOUNDPROOF_FORMATS has {name!r:.40}; it takes a comma-separated list of {known}")
        if names and find_spec("soundfile") is None:
            raise ValueError(
                f"SOUNDPROOF_FORMATS is {wanted!r}, but the package soundfile, which reads them, is not installed: "
                "pip install 'soundproof[formats]'"
            )
        return ",".join(dict.fromkeys(names))

    @field_validator("seed_key")
    @classmethod
    def _never_guessable(cls, key: SecretStr) -> SecretStr:
        """Certificates publish seeds and what they were derived from: a key that can be guessed can be found out, and
        whoever knows it can pick requests whose seeds they like."""
        secret = key.get_secret_value()
        if secret and len(secret) < SHORTEST_SEED_KEY:
            raise ValueError(f"SOUNDPROOF_SEED_KEY has {len(secret)} characters; it needs at least {SHORTEST_SEED_KEY}")
        return key

    @field_validator("tracing")
    @classmethod
    def _can_be_traced(cls, wanted: str) -> str:
        return checked_endpoint(wanted)

    @field_validator("signing_key_file", "api_keys", mode="before")
    @classmethod
    def _empty_is_none(cls, given: object) -> object:
        return given or None

    @model_validator(mode="after")
    def _one_signing_key(self) -> Self:
        if self.signing_key.get_secret_value() and self.signing_key_file:
            raise ValueError("SOUNDPROOF_SIGNING_KEY and SOUNDPROOF_SIGNING_KEY_FILE are both set; set one")
        self.signer()
        return self

    @field_validator("api_keys")
    @classmethod
    def _keys_that_can_be_read(cls, path: Path | None) -> Path | None:
        if path:
            read_api_keys(path)
        return path

    @property
    def allowed_formats(self) -> tuple[ContainerName, ...]:
        return tuple(name for name in CONTAINERS if name in self.formats.split(","))

    def signer(self) -> SigningKey | None:
        """The key that certificates are signed with. ValueError says why it is none, and nothing of the key."""
        if self.signing_key_file:
            return read_signing_key(self.signing_key_file)
        text = self.signing_key.get_secret_value()
        return signing_key(text) if text else None

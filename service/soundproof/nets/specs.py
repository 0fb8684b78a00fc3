"""The frozen numbers that describe a network and its front end, as they stand in model.json. No torch here."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator


class LogMelSpec(BaseModel):
    """A log-mel front end; the defaults are those of arXiv:2606.04210, which does not print its epsilon.

    `log_epsilon` is added to the power before the logarithm: the level below which two sounds look alike. White
    noise of standard deviation s puts about 150 s^2 x (area of the mel filter, in bins) into a band.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["log-mel"] = "log-mel"
    n_mels: int = Field(64, ge=1, le=512)
    n_fft: int = Field(1024, ge=16, le=8192)
    window_samples: int = Field(400, ge=2, le=8192)
    hop_samples: int = Field(160, ge=1, le=8192)
    log_epsilon: FiniteFloat = Field(1e-3, gt=0)

    @model_validator(mode="after")
    def _window_fits(self) -> Self:
        if self.window_samples > self.n_fft:
            raise ValueError(f"a window of {self.window_samples} samples does not fit in n_fft = {self.n_fft}")
        return self

    def shape(self, clip_samples: int) -> tuple[int, int]:
        """(mel bands, frames) of a clip of `clip_samples`."""
        return self.n_mels, clip_samples // self.hop_samples + 1


class CnnSpec(BaseModel):
    """The log-mel CNN of arXiv:2606.04210: one block per entry of `channels`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["log-mel-cnn"] = "log-mel-cnn"
    channels: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = Field((32, 64, 128, 128), min_length=1, max_length=16)


class LinearSpec(BaseModel):
    """A linear classifier on the waveform. Its smoothed radius has a closed form, so it is the engine's oracle."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["linear"] = "linear"


class OnnxSpec(BaseModel):
    """An ONNX file: one float32 input (batch, time), one float32 output (batch, classes)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["onnx"] = "onnx"


class ExportedSpec(BaseModel):
    """A program saved by torch.export.save: one float32 input (batch, time), one float32 output (batch, classes)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["torch-export"] = "torch-export"


class HuggingFaceSpec(BaseModel):
    """A Hugging Face audio classifier with its feature extractor."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["hugging-face"] = "hugging-face"
    feature_shape: tuple[Annotated[int, Field(ge=1)], ...] | None = Field(
        None, description="one clip's features; null where the extractor's answer is a waveform again"
    )

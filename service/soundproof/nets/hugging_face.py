"""A Hugging Face audio classifier with its feature extractor, from the bytes of three files and nothing else.

The model is built from its configuration and given its tensors in memory, so there is no path by which transformers
could fetch a file, import code of the folder's, or open a pickle.
"""

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load as parse
from torch import Tensor, nn

from soundproof.errors import ModelRefused
from soundproof.nets import hearing

os.environ["HF_HUB_OFFLINE"] = "1"  # before the import, which reads it; nothing here has a reason to ask any host
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
try:
    import transformers
    from transformers.models.auto.feature_extraction_auto import (
        FEATURE_EXTRACTOR_MAPPING_NAMES,
        feature_extractor_class_from_name,
    )
    from transformers.models.auto.modeling_auto import MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING_NAMES
except ModuleNotFoundError as error:
    raise ModelRefused(
        f"Hugging Face models need a library that is not installed ({error.name}).",
        "pip install soundproof[hugging-face]",
    ) from error

CONFIG, EXTRACTOR, TENSORS = "config.json", "preprocessor_config.json", "model.safetensors"
# Keys that name code, kernels or other models, at any depth of either file.
FOREIGN = frozenset(
    {
        "_experts_implementation",
        "attribute_map",
        "auto_map",
        "base_model_ep_plan",
        "base_model_pp_plan",
        "base_model_tp_plan",
        "custom_pipelines",
        "experts_implementation",
        "fusion_config",
        "kernel_config",
        "quantization_config",
        "sub_configs",
        "use_kernels",
    }
)
# How attention is computed is for the device to choose; a name with a slash would be a kernel of the hub's.
ATTENTION = frozenset({"attn_implementation", "_attn_implementation", "_attn_implementation_internal"})
OWN_ATTENTION = frozenset({"eager", "sdpa"})
WAVEFORM, FEATURES = 1, 2


class HuggingFace:
    """Per clip the extractor, per batch the model. `staged`: the extractor's answer is a feature stage of its own.

    Where it is not, the extractor only levels the waveform, and it is part of the head.
    """

    def __init__(self, network: nn.Module, extractor: Any, sample_rate_hz: int, staged: bool) -> None:
        self.network = network
        self.extractor = extractor
        self.sample_rate_hz = sample_rate_hz
        self.staged = staged

    def features(self, waveform: Tensor) -> Tensor:
        return self._extracted(waveform) if self.staged else waveform

    def head(self, features: Tensor) -> Tensor:
        """(batch, ...) float32 -> (batch, classes) logits."""
        extracted = features if self.staged else self._extracted(features)
        logits: Tensor = self.network(extracted).logits
        return logits

    def _extracted(self, waveform: Tensor) -> Tensor:
        """(batch, time) -> (batch, ...): one call per clip, because some extractors pad or level over their batch."""
        clips = [extracted(self.extractor, clip, self.sample_rate_hz) for clip in waveform.cpu().numpy()]
        return torch.from_numpy(np.stack(clips)).to(waveform.device)


def load(contents: Mapping[str, bytes], sample_rate_hz: int, clip_samples: int, device: torch.device) -> HuggingFace:
    """The classifier of a folder's three files.

    ModelRefused for a model type that is no audio classifier of transformers' own, configurations that name code,
    tensors that are missing, of another shape or of no use, or an extractor of another sample rate, that pads, that
    dithers or that does not hear the end of the clip.
    """
    config, settings = (_settings(contents, name) for name in (CONFIG, EXTRACTOR))
    network = _network(config, contents[TENSORS])
    extractor = _extractor(settings, str(config["model_type"]))
    if extractor.sampling_rate != sample_rate_hz:
        raise ModelRefused(
            f"the extractor takes {extractor.sampling_rate} Hz, the manifest says {sample_rate_hz} Hz.",
        )
    if getattr(extractor, "dither", 0.0):
        raise ModelRefused("the extractor dithers, which draws random numbers.")
    answer = hearing.probed(extractor, sample_rate_hz, clip_samples, extracted)
    if answer.ndim not in (WAVEFORM, FEATURES):
        raise ModelRefused(f"the extractor answers an array of shape {answer.shape} for a clip.")
    return HuggingFace(network.to(device), extractor, sample_rate_hz, answer.ndim == FEATURES)


def labels(config: bytes) -> tuple[str, ...]:
    """The class names of a config.json, by its id2label. ModelRefused where it has none."""
    named = _settings({CONFIG: config}, CONFIG).get("id2label")
    if not isinstance(named, dict) or set(named) != {str(i) for i in range(len(named))}:
        raise ModelRefused(f"{CONFIG} names no classes (id2label).", "Give them: --classes a,b,c")
    return tuple(str(named[str(i)]) for i in range(len(named)))


def extracted(extractor: Any, clip: NDArray[np.float32], sample_rate_hz: int) -> NDArray[np.float32]:
    """(time,) -> (time,) or (frames, bands): what the extractor makes of one clip."""
    answer = dict(extractor(clip, sampling_rate=sample_rate_hz, return_tensors="np"))
    mask = answer.pop("attention_mask", None)
    if len(answer) != 1 or (mask is not None and not np.all(mask)):
        raise ModelRefused(
            f"the extractor answers {', '.join(answer)} and pads the clip: a model that needs its mask is not run.",
            "Choose clip_samples so that nothing is padded.",
        )
    [[only]] = answer.values()
    return np.asarray(only, dtype=np.float32)


def _settings(contents: Mapping[str, bytes], name: str) -> dict[str, Any]:
    try:
        settings = json.loads(contents[name])
    except (ValueError, RecursionError) as error:
        raise ModelRefused(f"{name} is not JSON ({error}).") from error
    if not isinstance(settings, dict):
        raise ModelRefused(f"{name} is not a JSON object.")
    waiting: list[Any] = [settings]
    while waiting:
        match waiting.pop():
            case dict() as part:
                if foreign := FOREIGN & part.keys():
                    raise ModelRefused(
                        f"{name} has {', '.join(sorted(foreign))}, which names code or another model.",
                        "Only transformers' own audio classifiers in plain float weights are run.",
                    )
                for key in ATTENTION & part.keys():
                    del part[key]
                waiting += part.values()
            case list() as part:
                waiting += part
    return settings


def _network(config: dict[str, Any], content: bytes) -> nn.Module:
    known = MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING_NAMES
    kind = config.get("model_type")
    if kind not in known:
        raise ModelRefused(
            f"{CONFIG} names the model type {kind!r}, which is not one of transformers' audio classifiers.",
            f"Those are {', '.join(known)}.",
        )
    try:
        tensors = parse(content)
    except SafetensorError as error:
        raise ModelRefused(f"{TENSORS} is not a safetensors file ({error}).") from error
    try:
        network, loading = getattr(transformers, known[kind]).from_pretrained(
            None,
            config=transformers.CONFIG_MAPPING[kind].from_dict(config),
            state_dict=tensors,
            dtype=torch.float32,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except Exception as error:  # transformers' checks of a configuration raise what they please
        raise ModelRefused(f"transformers cannot build the model: {str(error).partition(chr(10))[0][:300]}.") from error
    _hold_to_own_code(network)
    missing = sorted(map(str, [*loading["missing_keys"], *loading["mismatched_keys"]]))
    if missing:
        raise ModelRefused(f"{TENSORS} lacks, or has in another shape, {', '.join(missing[:5])}.")
    if unexpected := sorted(map(str, loading["unexpected_keys"])):
        raise ModelRefused(
            f"{TENSORS} has tensors that this model does not use: {', '.join(unexpected[:5])}.",
            "Save what transformers loads: model.save_pretrained(folder).",
        )
    module: nn.Module = network
    return module.eval()


def _hold_to_own_code(network: Any) -> None:
    """Whatever the configuration said, and by whatever name: attention is torch's, weights are not quantized."""
    for module in network.modules():
        config = getattr(module, "config", None)
        if getattr(config, "quantization_config", None) is not None:
            raise ModelRefused(f"{CONFIG} asks for quantized weights.")
        attention = getattr(config, "_attn_implementation", None)
        if attention is not None and attention not in OWN_ATTENTION:
            raise ModelRefused(f"{CONFIG} asks for the attention {str(attention)[:100]!r}, which is not torch's own.")


def _extractor(settings: dict[str, Any], kind: str) -> Any:
    name = settings.get("feature_extractor_type") or FEATURE_EXTRACTOR_MAPPING_NAMES.get(kind)
    if name not in set(FEATURE_EXTRACTOR_MAPPING_NAMES.values()):
        raise ModelRefused(f"{EXTRACTOR} names the extractor {name!r}, which is not one of transformers' own.")
    try:
        return feature_extractor_class_from_name(name).from_dict(settings)
    except Exception as error:  # as above
        raise ModelRefused(f"transformers cannot build the extractor: {error}.") from error

"""A Hugging Face folder answers what transformers answers clip by clip; code, pickles and hosts stay out of it."""

import json
import pickle
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load, save
from tests.nets.hugging_face_folders import BANDS, CLIP, FRAMES, RATE_HZ, contents, write_ast, write_wav2vec2

from soundproof.errors import ModelRefused
from soundproof.nets import hearing, hugging_face

CPU = torch.device("cpu")
CLIPS = torch.tensor([[1.0], [1e-2], [30.0]]) * torch.randn(3, CLIP, generator=torch.Generator().manual_seed(3))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("hugging-face")
    return {"ast": write_ast(folder / "ast"), "wav2vec2": write_wav2vec2(folder / "wav2vec2")}


@pytest.fixture
def ast(folders: dict[str, Path]) -> dict[str, bytes]:
    return contents(folders["ast"])


def loaded(files: dict[str, bytes]) -> hugging_face.HuggingFace:
    return hugging_face.load(files, RATE_HZ, CLIP, CPU)


def refusal(files: dict[str, bytes]) -> str:
    with pytest.raises(ModelRefused) as caught:
        loaded(files)
    return str(caught.value)


def changed(files: dict[str, bytes], name: str, **keys: Any) -> dict[str, bytes]:
    return files | {name: json.dumps(json.loads(files[name]) | keys).encode()}


@pytest.mark.parametrize("name", ["ast", "wav2vec2"])
@torch.inference_mode()
def test_a_folder_answers_what_transformers_answers_clip_by_clip(folders: dict[str, Path], name: str) -> None:
    network = transformers.AutoModelForAudioClassification.from_pretrained(folders[name]).eval()
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folders[name])
    classifier = loaded(contents(folders[name]))
    logits = classifier.head(classifier.features(CLIPS))
    for clip, found in zip(CLIPS, logits, strict=True):
        extracted = extractor(clip.numpy(), sampling_rate=RATE_HZ, return_tensors="pt")
        torch.testing.assert_close(found, network(**extracted).logits[0], rtol=1e-4, atol=1e-5)
    assert float((logits[0] - logits[1]).abs().max()) > 1e-3, "too alike to tell a fault by"


def test_the_spectrogram_is_a_feature_stage_and_a_levelled_waveform_is_none(folders: dict[str, Path]) -> None:
    assert loaded(contents(folders["ast"])).features(CLIPS).shape == (3, FRAMES, BANDS)
    assert loaded(contents(folders["wav2vec2"])).features(CLIPS) is CLIPS


def test_nothing_is_asked_of_the_network(ast: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    def dialled(*_: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket, "getaddrinfo", dialled)
    monkeypatch.setattr(socket.socket, "connect", dialled)
    named = changed(ast, "config.json", _name_or_path="somebody/model", _attn_implementation="somebody/kernel")
    assert loaded(named).head(torch.zeros(1, FRAMES, BANDS)).shape == (1, 3)


def test_half_precision_weights_are_run_in_single(ast: dict[str, bytes]) -> None:
    halves = {name: tensor.half() for name, tensor in load(ast["model.safetensors"]).items()}
    classifier = loaded(changed(ast, "config.json", dtype="float16") | {"model.safetensors": save(halves)})
    assert {parameter.dtype for parameter in classifier.network.parameters()} == {torch.float32}


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json"])
@pytest.mark.parametrize(
    "key",
    [
        "auto_map",
        "quantization_config",
        "fusion_config",
        "attribute_map",
        "_experts_implementation",
        "experts_implementation",
        "kernel_config",
        "base_model_tp_plan",
    ],
)
def test_a_configuration_that_names_code_is_refused_at_any_depth(ast: dict[str, bytes], name: str, key: str) -> None:
    assert f"{name} has {key}, which names code" in refusal(changed(ast, name, **{key: {"AutoModel": "evil.Model"}}))
    assert f"{name} has {key}" in refusal(changed(ast, name, inner=[{"deeper": {key: 1}}]))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda f: changed(f, "config.json", model_type="evil"), "model type 'evil', which is not one of"),
        (lambda f: changed(f, "config.json", model_type="bert"), "model type 'bert', which is not one of"),
        (
            lambda f: changed(f, "preprocessor_config.json", feature_extractor_type="Evil"),
            "extractor 'Evil', which is not one of transformers' own",
        ),
        (
            lambda f: changed(f, "preprocessor_config.json", feature_extractor_type="pipeline"),
            "extractor 'pipeline', which is not one of transformers' own",
        ),
        (
            lambda f: changed(f, "preprocessor_config.json", sampling_rate=8000),
            "takes 8000 Hz, the manifest says 16000",
        ),
        (lambda f: changed(f, "preprocessor_config.json", dither=1e-3), "the extractor dithers"),
        (lambda f: f | {"config.json": b"["}, "config.json is not JSON"),
        (lambda f: f | {"config.json": b"[" * 100_000}, "config.json is not JSON"),
        (lambda f: f | {"config.json": b"[1]"}, "config.json is not a JSON object"),
        (lambda f: f | {"model.safetensors": pickle.dumps({"a": 1})}, "model.safetensors is not a safetensors file"),
        (lambda f: without(f, "classifier.dense.weight"), "lacks, or has in another shape, classifier.dense.weight"),
        (lambda f: f | spare(f), "has tensors that this model does not use: spare"),
        (
            lambda f: changed(f, "preprocessor_config.json", max_length="x"),
            "the extractor cannot take a clip: TypeError",
        ),
        (
            lambda f: changed(f, "preprocessor_config.json", pad="x", max_length=None),
            "the extractor cannot take a clip",
        ),
        (lambda f: changed(f, "config.json", hidden_size=16), "transformers cannot build the model"),
    ],
)
def test_a_folder_with_a_fault_is_refused_by_the_faults_name(
    ast: dict[str, bytes], change: Callable[[dict[str, bytes]], dict[str, bytes]], named: str
) -> None:
    assert named in refusal(change(ast))


def without(files: dict[str, bytes], tensor: str) -> dict[str, bytes]:
    """A tensor that is not there would be made up at random, which no digest vouches for."""
    tensors = load(files["model.safetensors"])
    del tensors[tensor]
    return files | {"model.safetensors": save(tensors)}


def spare(files: dict[str, bytes]) -> dict[str, bytes]:
    return files | {"model.safetensors": save(load(files["model.safetensors"]) | {"spare": torch.zeros(1)})}


@pytest.mark.parametrize("samples", [CLIP + 161, 4 * CLIP])
def test_an_extractor_that_cuts_the_clip_off_is_refused(ast: dict[str, bytes], samples: int) -> None:
    with pytest.raises(ModelRefused, match=r"does not hear the end of a clip of \d+ samples.*max_length"):
        hugging_face.load(ast, RATE_HZ, samples, CPU)


@pytest.mark.parametrize(("samples", "frames"), [(CLIP - 1, 1), (CLIP // 2, 13)])
def test_an_extractor_may_fill_the_clip_up(ast: dict[str, bytes], samples: int, frames: int) -> None:
    features = hugging_face.load(ast, RATE_HZ, samples, CPU).features(torch.randn(2, samples))
    assert features.shape == (2, 24, 16)
    level = features[:, 24 - frames :]
    assert torch.equal(level, level[:1, :1, :1].expand_as(level))


@pytest.mark.parametrize("left_over", [0, 1, 80, 159])
def test_less_than_a_hop_at_the_end_may_be_left_over(ast: dict[str, bytes], left_over: int) -> None:
    assert hugging_face.load(ast, RATE_HZ, CLIP + left_over, CPU).staged


def test_whispers_extractor_is_taken_up_to_the_length_it_is_made_for() -> None:
    extractor = transformers.WhisperFeatureExtractor(feature_size=16, chunk_length=1)
    answer = hearing.probed(extractor, RATE_HZ, RATE_HZ, hugging_face.extracted)
    assert answer.shape == (16, 100)
    assert hearing.probed(extractor, RATE_HZ, RATE_HZ // 2, hugging_face.extracted).shape == (16, 100)
    with pytest.raises(ModelRefused, match="does not hear the end"):
        hearing.probed(extractor, RATE_HZ, 2 * RATE_HZ, hugging_face.extracted)


def test_wav2vec2_berts_extractor_is_taken() -> None:
    extractor = transformers.SeamlessM4TFeatureExtractor()
    assert hearing.probed(extractor, RATE_HZ, RATE_HZ + 240, hugging_face.extracted).shape == (50, 160)


def test_attention_that_is_not_torchs_is_refused_by_whatever_name_it_came(
    ast: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    network = loaded(ast).network
    monkeypatch.setattr(network.config, "_attn_implementation_internal", "somebody/kernel")
    with pytest.raises(ModelRefused, match="asks for the attention 'somebody/kernel', which is not torch's own"):
        hugging_face._hold_to_own_code(network)
    monkeypatch.setattr(network.config, "_attn_implementation_internal", "eager")
    monkeypatch.setattr(network.config, "quantization_config", {}, raising=False)
    with pytest.raises(ModelRefused, match="asks for quantized weights"):
        hugging_face._hold_to_own_code(network)


def test_classes_are_the_configurations_labels(ast: dict[str, bytes]) -> None:
    assert hugging_face.labels(ast["config.json"]) == ("no", "yes", "other")
    with pytest.raises(ModelRefused, match="names no classes"):
        hugging_face.labels(b'{"id2label": {"0": "a", "2": "b"}}')

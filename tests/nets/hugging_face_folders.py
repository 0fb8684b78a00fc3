"""Small Hugging Face folders with random weights, written by transformers itself. Nothing is fetched."""

from pathlib import Path
from typing import Any

import torch
import transformers

RATE_HZ, CLIP, CLASSES = 16_000, 4_080, 3
NAMES = {0: "no", 1: "yes", 2: "other"}
FRAMES, BANDS = 24, 16  # what CLIP fills, at 400 samples a frame and a hop of 160


def write_ast(folder: Path) -> Path:
    """An Audio Spectrogram Transformer: its extractor gives (FRAMES, BANDS) log-mel features."""
    torch.manual_seed(0)
    config = transformers.ASTConfig(
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
        patch_size=8,
        frequency_stride=8,
        time_stride=8,
        max_length=FRAMES,
        num_mel_bins=BANDS,
        id2label=NAMES,
    )
    _save(transformers.ASTForAudioClassification(config), folder)
    transformers.ASTFeatureExtractor(num_mel_bins=BANDS, max_length=FRAMES).save_pretrained(folder)
    return folder


def write_wav2vec2(folder: Path) -> Path:
    """wav2vec 2.0: its extractor brings each clip to mean 0 and variance 1."""
    torch.manual_seed(0)
    config = transformers.Wav2Vec2Config(
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
        conv_dim=(4, 4),
        conv_kernel=(10, 8),
        conv_stride=(10, 8),
        num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2,
        classifier_proj_size=4,
        id2label=NAMES,
    )
    _save(transformers.Wav2Vec2ForSequenceClassification(config), folder)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _save(network: Any, folder: Path) -> None:
    """With larger last weights: random ones hardly tell two clips apart."""
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1:
                parameter.mul_(10)
    transformers.utils.logging.disable_progress_bar()
    network.save_pretrained(folder)

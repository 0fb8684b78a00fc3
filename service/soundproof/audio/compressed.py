"""What may be uploaded beside WAV where the operator allows it: how it is recognized, and what of it is read."""

from dataclasses import dataclass
from typing import Literal

ContainerName = Literal["flac", "ogg", "mp3"]
EncodingName = Literal["pcm_16", "pcm_24", "vorbis", "opus", "mp3"]

# libsndfile's name of a subtype -> ours.
FLAC: dict[str, EncodingName] = {"PCM_16": "pcm_16", "PCM_24": "pcm_24"}
OGG: dict[str, EncodingName] = {"VORBIS": "vorbis", "OPUS": "opus"}
MP3: dict[str, EncodingName] = {"MPEG_LAYER_III": "mp3"}

SPOKEN: dict[EncodingName, str] = {
    "pcm_16": "FLAC of 16 bits",
    "pcm_24": "FLAC of 24 bits",
    "vorbis": "Ogg Vorbis",
    "opus": "Ogg Opus",
    "mp3": "MP3",
}


@dataclass(frozen=True, kw_only=True)
class Container:
    """`title`: libsndfile's name, and ours in sentences. `lossy`: its decoders may differ in the samples they give."""

    name: ContainerName
    title: str
    lossy: bool
    encodings: dict[str, EncodingName]


CONTAINERS: dict[ContainerName, Container] = {
    "flac": Container(name="flac", title="FLAC", lossy=False, encodings=FLAC),
    "ogg": Container(name="ogg", title="OGG", lossy=True, encodings=OGG),
    "mp3": Container(name="mp3", title="MP3", lossy=True, encodings=MP3),
}


def container_of(head: bytes) -> Container | None:
    """What a file is by its first bytes; its name and its content type are nobody's word.

    An ID3 tag stands before MP3 as a rule, and what is behind it the decoder has to see.
    """
    if head[:4] == b"fLaC":
        return CONTAINERS["flac"]
    if head[:4] == b"OggS":
        return CONTAINERS["ogg"]
    # Eleven set bits, the version, and the layer: 01 is layer III.
    layer_3 = len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2
    return CONTAINERS["mp3"] if layer_3 or head[:3] == b"ID3" else None

"""Names for what is not read: other containers by their first bytes, other WAV encodings by their tag."""

PCM = 0x0001
FLOAT = 0x0003
EXTENSIBLE = 0xFFFE
READABLE_BITS: dict[int | None, tuple[int, ...]] = {PCM: (16, 24, 32), FLOAT: (32,)}

CONVERT = (
    "Convert it to a WAV file of 16-, 24- or 32-bit PCM or 32-bit float, for example with "
    "ffmpeg -i INPUT -c:a pcm_s16le OUTPUT.wav."
)

# offset, magic, name
_CONTAINERS = (
    (0, b"RIFX", "a big-endian RIFX file"),
    (0, b"RF64", "a 64-bit RF64 file"),
    (0, b"BW64", "a 64-bit BW64 file"),
    (0, b"riff", "a Sony Wave64 file"),
    (0, b"FORM", "an AIFF file"),
    (0, b"caff", "a Core Audio file"),
    (0, b".snd", "a Sun/NeXT AU file"),
    (0, b"fLaC", "a FLAC file"),
    (0, b"OggS", "an Ogg file"),
    (0, b"ID3", "an MP3 file"),
    (4, b"ftyp", "an MP4 file"),
    (0, b"\x1a\x45\xdf\xa3", "a Matroska or WebM file"),
    (0, b"PK\x03\x04", "a zip archive"),
    (0, b"PK\x05\x06", "a zip archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
)

# RFC 2361, and mmreg.h for the rest.
_ENCODINGS = {
    PCM: "integer PCM",
    0x0002: "Microsoft ADPCM",
    FLOAT: "IEEE float",
    0x0006: "A-law",
    0x0007: "mu-law",
    0x0011: "IMA ADPCM",
    0x0031: "GSM 6.10",
    0x0050: "MPEG",
    0x0055: "MP3",
    0x00FF: "AAC",
    0x0161: "Windows Media Audio",
    0xF1AC: "FLAC",
}

# KSDATAFORMAT_SUBTYPE_*: the tag in the first two bytes, then always the same fourteen.
_SUBFORMAT_TAIL = bytes.fromhex("000000001000800000aa00389b71")


def container(head: bytes) -> str:
    """What a file that does not begin with RIFF is, with its article, by its first 12 bytes."""
    for offset, magic, name in _CONTAINERS:
        if head[offset : offset + len(magic)] == magic:
            return name
    # MPEG frames begin with eleven set bits, then the version and the layer; layer 0 is AAC in ADTS frames.
    if len(head) > 1 and head[0] == 0xFF and head[1] >= 0xE0:
        return "an AAC file" if head[1] & 0b110 == 0 else "an MP3 file"
    return "no known audio file"


def encoding(tag: int | None) -> str:
    """The name of a WAVE format tag; None stands for a subformat that has no tag."""
    if tag is None:
        return "an unknown subformat"
    return _ENCODINGS.get(tag, f"an unknown format tag 0x{tag:04X}")


def subformat_tag(guid: bytes) -> int | None:
    """The format tag in a WAVE_EXTENSIBLE subformat GUID (16 bytes), or None for a GUID of another kind."""
    return int.from_bytes(guid[:2], "little") if guid[2:] == _SUBFORMAT_TAIL else None

"""Text of others made fit for a line of a log, a JSON answer or a terminal."""

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def printable(text: str) -> str:
    """White space becomes spaces; what cannot be shown or encoded, control characters and bytes of a file name that are
    no UTF-8 among it, becomes U+FFFD.

    >>> printable("a\\tb\\x1b[2J")
    'a b\N{REPLACEMENT CHARACTER}[2J'
    """
    return "".join(
        character if character.isprintable() else " " if character.isspace() else REPLACEMENT for character in text
    )

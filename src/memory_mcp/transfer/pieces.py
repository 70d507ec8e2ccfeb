"""Long texts in pieces, as a passage has a limit and is found best when it is about one thing."""

from collections.abc import Iterator

PIECE_CHARS = 20_000


def pieces(text: str) -> Iterator[str]:
    """The text, or where it is very long, pieces that end with a paragraph if they can."""
    piece = ""
    for paragraph in text.split("\n\n"):
        if piece and len(piece) + len(paragraph) > PIECE_CHARS:
            yield piece
            piece = ""
        piece = f"{piece}\n\n{paragraph}" if piece else paragraph
        while len(piece) > 2 * PIECE_CHARS:
            yield piece[:PIECE_CHARS]
            piece = piece[PIECE_CHARS:]
    if piece.strip():
        yield piece

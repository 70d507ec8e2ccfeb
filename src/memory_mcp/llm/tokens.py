"""Token counts: o200k by tiktoken where its vocabulary is on the disk, else an estimate.

The vocabulary must never be fetched: tiktoken reads it from `TIKTOKEN_CACHE_DIR`, and LiteLLM's
package carries the file under the name tiktoken looks for. LiteLLM itself is not imported.
"""

import os
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

# SHA-1 of the vocabulary's address: the name tiktoken caches it under.
_O200K_FILE = "fb374d419588a4632f3f557e76b4b70aebbca790"
# English and code run to about 4 bytes a token, other scripts to about 3: a slight overcount there.
# What is no language, base64 or digits, is undercounted.
_BYTES_PER_TOKEN = 3.6
# Long texts are counted in pieces: a cut costs a token, and some long runs take forever in one.
_PIECE_CHARS = 20_000


class Tokens:
    """The `TokenCounter` port."""

    def __init__(self) -> None:
        self._folder = _vocabulary_folder() if find_spec("tiktoken") else None

    @property
    def exact(self) -> bool:
        """Whether counts are o200k's, or estimated from the number of bytes."""
        return self._folder is not None

    def count(self, text: str) -> int:
        """Tokens in `text`. The first exact count loads the vocabulary: 0.2 s and 80 MB."""
        if not self.exact:
            return _estimate(text)
        pieces = range(0, len(text), _PIECE_CHARS)
        return sum(self._exact(text[start : start + _PIECE_CHARS]) for start in pieces)

    def _exact(self, piece: str) -> int:
        try:
            return len(self._encoding.encode(piece, disallowed_special=()))
        except ValueError:  # its regular expression gives up on some runs of one character
            return _estimate(piece)

    def fits(self, text: str, tokens: int) -> bool:
        """Whether `text` has at most that many tokens; counted only where bounds don't tell.

        A token is a byte or more, and far more than two bytes on average in any real text.
        """
        size = len(text.encode("utf-8", "replace"))
        return size <= tokens * 2 or (size <= tokens * 12 and self.count(text) <= tokens)

    @cached_property
    def _encoding(self) -> Any:
        import tiktoken

        os.environ["TIKTOKEN_CACHE_DIR"] = str(self._folder)
        return tiktoken.get_encoding("o200k_base")


def _estimate(text: str) -> int:
    return round(len(text.encode("utf-8", "replace")) / _BYTES_PER_TOKEN)


def _vocabulary_folder() -> Path | None:
    folders = [Path(told)] if (told := os.environ.get("TIKTOKEN_CACHE_DIR")) else []
    spec = find_spec("litellm")
    if spec and spec.submodule_search_locations:
        package = Path(spec.submodule_search_locations[0])
        folders.append(package / "litellm_core_utils" / "tokenizers")
    return next((folder for folder in folders if (folder / _O200K_FILE).is_file()), None)

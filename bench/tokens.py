"""How many tokens a text costs a model."""

import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import tiktoken

#: The name under which tiktoken keeps o200k_base, and LiteLLM ships it.
O200K_FILE = "fb374d419588a4632f3f557e76b4b70aebbca790"
LITELLM_FOLDER = "litellm_core_utils/tokenizers"
CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCounter:
    method: str
    count: Callable[[str], int]


def token_counter(vocabulary: Path | None) -> TokenCounter:
    """Count by o200k_base if its file is on this machine (nothing is downloaded), else estimate.

    `vocabulary` is the folder the file lies in, if it is neither tiktoken's nor LiteLLM's.
    """
    folder = _folder(vocabulary)
    if folder is None:
        return TokenCounter(
            method="estimate: one token is 4 characters",
            count=lambda text: len(text) // CHARACTERS_PER_TOKEN,
        )
    os.environ["TIKTOKEN_CACHE_DIR"] = str(folder)
    encoding = tiktoken.get_encoding("o200k_base")
    return TokenCounter(method="o200k_base", count=lambda text: len(encoding.encode(text)))


def _folder(vocabulary: Path | None) -> Path | None:
    candidates = [vocabulary, _from_environment(), _from_litellm()]
    return next((each for each in candidates if each and (each / O200K_FILE).exists()), None)


def _from_environment() -> Path | None:
    folder = os.environ.get("TIKTOKEN_CACHE_DIR")
    return Path(folder) if folder else None


def _from_litellm() -> Path | None:
    # Found, not imported: importing LiteLLM takes seconds.
    found = importlib.util.find_spec("litellm")
    return Path(found.origin).parent / LITELLM_FOLDER if found and found.origin else None

"""What there is where the store is encrypted."""

from typing import Protocol


class Encryption(Protocol):
    """Stands for the store's key, which nobody outside is shown."""

    @property
    def source(self) -> str:
        """Where the key came from, in words."""
        ...

    @property
    def cipher(self) -> str:
        """What encrypts, in words."""
        ...

    def is_proven(self, proof: str) -> bool:
        """Whether whoever made this proof has the store's key."""
        ...

    def opened(self, left: bytes) -> bytes:
        """What a hook left beside the store, as it was told.

        Raises:
            ValueError: it was sealed for another store, or is damaged.
        """
        ...

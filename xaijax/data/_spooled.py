"""Images that are bytes: members of an archive, cells of a table. They are read as the files they are.

The bytes are written to a temporary file with the right suffix, so that every format, mask rule and note is that of
`files.ImageFile`. A temporary file costs some 0.1 ms, decoding an image several.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from xaijax.data.dataset import Content
from xaijax.data.files import ImageFile
from xaijax.data.masks import roles_of
from xaijax.data.reading import AS_STORED, MaskRole, Reading


class Bytes(Protocol):
    """Something that gives bytes when they are needed."""

    def read(self) -> bytes:
        """The bytes. Raises OSError or ValueError, with the reason in words."""
        ...


@dataclass(frozen=True, slots=True)
class SpooledImage:
    """One image with its masks.

    Attributes:
        suffix: of the image's file, ".png"; "" where it is not known.
        image: its bytes.
        masks: `(role, suffix, bytes)` of each mask.
        reading: how to read them.
    """

    suffix: str
    image: Bytes
    masks: tuple[tuple[MaskRole | None, str, Bytes], ...] = ()
    reading: Reading = AS_STORED

    @property
    def roles(self) -> tuple[MaskRole | None, ...]:
        return tuple(one for role, suffix, _ in self.masks for one in roles_of(f"mask{suffix}", role, self.reading))

    def read(self, *, masks: bool) -> Content:
        with tempfile.TemporaryDirectory() as folder:
            return self._spooled(Path(folder), masks).read(masks=masks)

    def fingerprint(self) -> str:
        with tempfile.TemporaryDirectory() as folder:
            return self._spooled(Path(folder), False).fingerprint()

    def _spooled(self, folder: Path, masks: bool) -> ImageFile:
        image = folder / f"image{self.suffix}"
        image.write_bytes(self.image.read())
        spooled = []
        for number, (role, suffix, stored) in enumerate(self.masks if masks else ()):
            path = folder / f"mask_{number}{suffix}"
            try:
                path.write_bytes(stored.read())
            except (OSError, ValueError):
                path.unlink(missing_ok=True)  # an absent mask costs the mask: `ImageFile` notes it
            spooled.append((role, path))
        return ImageFile(image, tuple(spooled), self.reading)

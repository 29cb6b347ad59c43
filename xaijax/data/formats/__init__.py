"""Files of one image each, one module per kind; a file is recognised by its content, not by its suffix.

Every kind gives `Stored`, the values of one frame and what the file says of them; `images.displayed` has the rule from
there to 8 bits.
"""

import importlib
from dataclasses import replace
from pathlib import Path

from xaijax._errors import InputError
from xaijax.data.formats.dicom_patient import patient
from xaijax.data.formats.quiet import quiet
from xaijax.data.formats.recognise import SUFFIXES, has_image_name, looks_like_image, recognise, suffix, unread
from xaijax.data.images import Stored, UnreadableError

__all__ = [
    "SUFFIXES",
    "has_image_name",
    "looks_like_image",
    "patient",
    "quiet",
    "read",
    "recognise",
    "suffix",
    "unread",
]

# What is not here is read by Pillow.
_MODULES = {"DICOM": "dicom", "NIfTI": "nifti", "Analyze": "nifti", "TIFF": "tiff"}
_PILLOW = frozenset({"PNG", "JPEG", "JPEG 2000", "GIF", "WebP", "AVIF", "BMP", "PNM", "TGA"})


def read(path: str | Path, frame: int | None = None) -> Stored:
    """The stored values of one frame of a file.

    Args:
        path: the file, of any name.
        frame: position of the frame, page or slice, from 0; default: the first, or the middle slice of a volume, with
            a note where there are several.

    Raises:
        OSError: for a file that is missing or may not be read.
        UnreadableError: with the reason, for a file that is not an image or cannot be decoded. Whatever a decoder
            raises becomes one; of DICOM files nothing is quoted.
        InputError: where a package that reads this kind is not installed.
    """
    kind = recognise(path)
    if kind is None:
        raise UnreadableError("its format is not supported, or it is not an image")
    if kind not in _MODULES and kind not in _PILLOW:
        raise UnreadableError(f"it is a {kind}")
    decoder = importlib.import_module(f"xaijax.data.formats.{_MODULES.get(kind, 'pillow')}")
    with quiet():
        try:
            stored: Stored = decoder.read(Path(path), kind, frame)
        except (UnreadableError, InputError):
            raise
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except MemoryError:
            raise UnreadableError("it needs more memory than there is") from None
        except BaseException as error:  # a panic of a decoder written in Rust is no Exception
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise UnreadableError(_words(kind, error)) from None
    return replace(stored, kind=kind)


def _words(kind: str, error: BaseException) -> str:
    """Why a decoder failed. Messages on DICOM files may quote a header, so they are left out."""
    said = "" if kind == "DICOM" else " ".join(str(error).split())
    return f"it is damaged or of a {kind} variant that is not supported ({said or type(error).__name__})"

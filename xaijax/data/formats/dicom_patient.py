"""The patient of a DICOM file as a short key: the same for all files of one patient, and not the patient's id.

Thousands of files are asked when a data set is opened, so the first kilobytes are walked here, element by element up to
(0010,0020); what the walk does not understand is left to pydicom.
"""

import hashlib
import os
import struct
from pathlib import Path
from typing import Any

from xaijax.data.formats.quiet import quiet
from xaijax.data.formats.recognise import has_image_name, head, kind_of, suffix

_PATIENT_ID = 0x00100020
_WALKED = 1 << 14
_OTHERS = frozenset({".dcm", ".dicom", ".ima"})
_LONG = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
_BIG_ENDIAN, _DEFLATED = b"1.2.840.10008.1.2.2", b"1.2.840.10008.1.2.1.99"


def patient(path: str | Path) -> str | None:
    """The group of a DICOM file in a split, a key of its patient's id; None where it names none or is another file.

    Example:
        >>> patient("scan.png") is None
        True
    """
    name = os.path.basename(path)
    if has_image_name(name) and suffix(name) not in _OTHERS:
        return None
    try:
        start = head(path, _WALKED)
        if kind_of(start) != "DICOM":
            return None
        found = _walked(start)
        # Letters beyond ASCII are in the character set of the file, which pydicom knows.
        text = found.decode("ascii") if found is not None and found.isascii() else _by_pydicom(path)
    except (OSError, ValueError):
        return None
    text = text.strip(" \0")
    if not text:
        return None
    return f"patient {hashlib.blake2b(text.encode('utf-8', 'surrogateescape'), digest_size=6).hexdigest()}"


def _walked(data: bytes) -> bytes | None:
    """The value of PatientID, empty where there is none; None where this walk cannot tell."""
    at = 132
    if data[128:132] != b"DICM" or _DEFLATED in data[:1024]:
        return None
    explicit = True
    try:
        while True:
            group, element = struct.unpack_from("<HH", data, at)
            tag = group << 16 | element
            if group == 2:
                vr, size, header = data[at + 4 : at + 6], struct.unpack_from("<H", data, at + 6)[0], 8
                if vr in _LONG:
                    size, header = struct.unpack_from("<I", data, at + 8)[0], 12
                if tag == 0x00020010:
                    syntax = data[at + header : at + header + size].rstrip(b"\0 ")
                    if syntax == _BIG_ENDIAN:
                        return None
                    explicit = syntax != b"1.2.840.10008.1.2"
            elif tag > _PATIENT_ID:
                return b""
            elif explicit:
                vr = data[at + 4 : at + 6]
                if not vr.isalpha():
                    return None
                size, header = struct.unpack_from("<H", data, at + 6)[0], 8
                if vr in _LONG:
                    size, header = struct.unpack_from("<I", data, at + 8)[0], 12
            else:
                size, header = struct.unpack_from("<I", data, at + 4)[0], 8
            if size == 0xFFFFFFFF:  # a sequence of undefined length
                return None
            value = data[at + header : at + header + size]
            if tag == _PATIENT_ID:
                return value if len(value) == size else None
            at += header + size
    except struct.error:
        return None


def _by_pydicom(path: str | Path) -> str:
    from xaijax.data.formats.dicom import library

    pydicom: Any = library()
    with quiet():
        try:
            header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["PatientID"], force=True)
            return str(header.get("PatientID", "") or "")
        except Exception:  # whatever a damaged file raises: it names no patient
            return ""

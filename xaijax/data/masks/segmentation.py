"""DICOM segmentations (SEG): the segments of the one image that is read, found by its SOP Instance UID.

The frames of a segmentation name the image that each was drawn on. An image that the segmentation covers but no frame
of a segment refers to has an empty mask; one that it does not cover is an error, because nothing says that it was
looked at. Segments have numbers and labels: a rule names numbers (`--mask-values lesion=2 organ=1`), a known layout
may name labels. Without a rule one segment is a mask with the segment's label as its name; several are refused with
their labels.

A fractional segmentation is inside from one half on.
"""

from pathlib import Path
from typing import Any

import numpy as np

from xaijax._names import normal
from xaijax.data.dataset import Element
from xaijax.data.masks.meaning import Rule, rule_of
from xaijax.data.masks.protocol import Canvas, Masks
from xaijax.data.masks.stored import checked_size, needs
from xaijax.data.reading import MaskRole, MaskValue

_CLASSES = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")  # segmentation, label map segmentation


def is_segmentation(path: Path) -> bool:
    """Whether a DICOM file is a segmentation."""
    return _header(path, "SOPClassUID") in _CLASSES


def read(path: Path, role: MaskRole | None, rule: Rule, canvas: Canvas) -> Masks:
    """The segments of one image.

    Args:
        path: the segmentation.
        role: the role of its segments, where that is stated.
        rule: role -> numbers or labels of segments.
        canvas: the `Canvas`; its file must be the DICOM image that was segmented, unless the segmentation has one only.

    Raises:
        OSError, ValueError: for a damaged file, or one of other images. Nothing of its header is quoted but the labels
            of segments.
    """
    try:
        import highdicom
    except ImportError:
        raise needs("highdicom", "DICOM segmentations") from None
    try:
        stored = highdicom.seg.segread(path)
        checked_size((int(stored.Rows), int(stored.Columns)))
        labels = {int(one.SegmentNumber): str(one.SegmentLabel) for one in stored.SegmentSequence}
        labels.pop(0, None)  # the background of a label map
        covered = _covered(stored)
    except (OSError, MemoryError):
        raise
    except Exception as error:
        raise ValueError(f"the segmentation is damaged ({type(error).__name__})") from error
    kept = rule_of(role, rule)
    if not kept and len(labels) != 1:
        listed = ", ".join(f"{number} ({label})" for number, label in labels.items())
        return Masks((), (f"a segmentation has the segments {listed}; give --mask-values",))
    instance = None if canvas.path is None else _header(canvas.path, "SOPInstanceUID")
    if instance is None and len(covered) == 1:
        (instance,) = covered
    if instance is None:
        raise ValueError(f"the segmentation is of {len(covered)} images, and this image has no SOP Instance UID")
    if instance not in covered:
        raise ValueError("the segmentation is of other images")
    chosen = (
        {named: [number for value in values for number in _numbers(value, labels)] for named, values in kept.items()}
        if kept
        else {role: list(labels)}
    )
    try:
        pixels = _pixels(stored, instance, canvas.frame)
    except Exception as error:
        raise ValueError(f"the segmentation's frames cannot be decoded ({type(error).__name__})") from error
    order = [number for number in stored.segment_numbers if number in labels]
    elements = []
    for named, numbers in chosen.items():
        inside = np.zeros(pixels.shape[:2], bool)
        for number in numbers:
            inside |= pixels[..., order.index(number)] >= 0.5
        name = labels[numbers[0]] if len(numbers) == 1 else ""
        elements.append(Element(name, named, inside))
    return Masks(tuple(elements))


def _numbers(value: MaskValue, labels: dict[int, str]) -> list[int]:
    if isinstance(value, int):
        return [value] if value in labels else []
    return [number for number, label in labels.items() if normal(label) == normal(value)]


def _pixels(stored: Any, instance: str, frame: int | None) -> np.ndarray:
    """`[h, w, segments]`, 0 to 1, of one image; frames that are missing are empty segments."""
    numbers = [number for number in stored.segment_numbers if number != 0]
    options = {
        "segment_numbers": numbers,
        "ignore_spatial_locations": True,
        "assert_missing_frames_are_empty": True,
        "skip_overlap_checks": True,
    }
    if _names_frames(stored):
        return np.asarray(stored.get_pixels_by_source_frame(instance, [(frame or 0) + 1], **options)[0])
    return np.asarray(stored.get_pixels_by_source_instance([instance], **options)[0])


def _names_frames(stored: Any) -> bool:
    """Whether its frames refer to frames of multi-frame images."""
    return any("ReferencedFrameNumber" in source for _, source in _sources(stored))


def _sources(stored: Any) -> list[tuple[str, Any]]:
    """The images that frames were drawn on."""
    groups = [*stored.get("PerFrameFunctionalGroupsSequence", []), *stored.get("SharedFunctionalGroupsSequence", [])]
    return [
        (str(source.ReferencedSOPInstanceUID), source)
        for group in groups
        for derived in group.get("DerivationImageSequence", [])
        for source in derived.get("SourceImageSequence", [])
    ]


def _covered(stored: Any) -> set[str]:
    """The images that a segmentation is of: those its frames or its list of instances name."""
    found = {uid for uid, _ in _sources(stored)}
    series = list(stored.get("ReferencedSeriesSequence", []))
    series += [
        one
        for study in stored.get("StudiesContainingOtherReferencedInstancesSequence", [])
        for one in study.get("ReferencedSeriesSequence", [])
    ]
    found |= {
        str(one.ReferencedSOPInstanceUID) for part in series for one in part.get("ReferencedInstanceSequence", [])
    }
    return found


def _header(path: Path, keyword: str) -> str | None:
    """One value of the header of a DICOM file; None for a file that is none, or that lacks it."""
    try:
        import pydicom
    except ImportError:
        raise needs("pydicom", "DICOM files") from None
    try:
        if not path.is_file():
            return None
        value = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=[keyword]).get(keyword)
    except (OSError, ValueError, AttributeError, TypeError, LookupError, pydicom.errors.InvalidDicomError):
        return None
    return None if value is None else str(value)

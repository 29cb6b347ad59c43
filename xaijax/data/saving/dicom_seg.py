"""DICOM Segmentation: the pixels with the strongest evidence (PS3.3 A.51)."""

from pathlib import Path
from typing import Any

import numpy as np

from xaijax._errors import InputError
from xaijax.data.saving import dicom
from xaijax.data.saving.placing import SavedMap

FORMAT = "dicom-seg"
TOP = 0.1


def marked(one: SavedMap, top: float = TOP, threshold: float | None = None) -> np.ndarray:
    """The pixels that a segmentation marks.

    Args:
        one: the map; pixels that were not explained are never marked.
        top: share of the explained pixels with the largest evidence; pixels that tie with the last of them are marked
            too, and pixels without positive evidence never.
        threshold: mark the pixels whose evidence is at least this instead, whatever its sign.

    Returns:
        `[h, w]` bool.

    Raises:
        InputError: where no pixel is marked, or the map has one value everywhere.

    Example:
        >>> one = SavedMap("a", "m", np.arange(10.0).reshape(2, 5), np.arange(10.0).reshape(2, 5))
        >>> marked(one, 0.2).astype(int).tolist(), int(marked(one, threshold=4.0).sum())
        ([[0, 0, 0, 0, 0], [0, 0, 0, 1, 1]], 6)
    """
    evidence = one.evidence
    explained = one.explained
    if threshold is not None:
        found = explained & (evidence >= threshold)
        if not found.any():
            highest = float(evidence[explained].max())
            raise InputError(
                f"no evidence of {one.method} in {one.image} reaches {threshold:g}; its highest is {highest:g}"
            )
        return np.asarray(found)
    values = np.sort(evidence[explained])[::-1]
    if values[0] == values[-1]:
        raise InputError(f"the map of {one.image} by {one.method} has one value everywhere: there is nothing to mark")
    last = values[max(1, int(top * values.size)) - 1]
    found = explained & (evidence >= last) & (evidence > 0)
    if not found.any():
        raise InputError(f"the map of {one.image} by {one.method} has no positive evidence: there is nothing to mark")
    return np.asarray(found)


def save_dicom_seg(
    path: Path, one: SavedMap, header: Any, series: dicom.Series, *, top: float = TOP, threshold: float | None = None
) -> None:
    """Writes a segmentation of one segment in the study of its source, in a series of its own.

    Args:
        path: of the file.
        one: the map.
        header: of the source, by `read_header`; it must have one frame and the size of the map.
        series: of the run.
        top, threshold: which pixels; see `marked`.

    Raises:
        InputError: where there is nothing to mark, or for a source that the map does not lie on or highdicom refuses.
    """
    import highdicom as hd
    from pydicom.sr.codedict import codes

    dicom.check_source(header, one, FORMAT)
    mask = marked(one, top, threshold)
    place = series.next(header.SeriesInstanceUID, one.method, FORMAT)
    rule = f"{100 * top:g} % strongest evidence" if threshold is None else f"evidence from {threshold:g}"
    equipment = dicom.equipment()
    segment = hd.seg.SegmentDescription(
        segment_number=1,
        segment_label=f"{one.method}, {rule}"[:64],
        segmented_property_category=codes.SCT.SpatialAndRelationalConcept,
        segmented_property_type=dicom.concept(one),
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            name=one.method[:64],
            version=equipment["software_versions"],
            family=codes.DCM.ArtificialIntelligence,
        ),
    )

    def made() -> Any:
        return hd.seg.Segmentation(
            source_images=[header],
            pixel_array=mask[None].astype(np.uint8),
            segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
            segment_descriptions=[segment],
            series_instance_uid=place.uid,
            series_number=place.number,
            sop_instance_uid=place.object_uid,
            instance_number=place.instance,
            content_label="SEGMENTATION",
            content_description=f"{one.method}, {rule}"[:64],
            series_description=dicom.label(one),
            **equipment,
        )

    dicom.write(path, made, one, header, FORMAT)

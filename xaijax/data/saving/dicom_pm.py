"""DICOM Parametric Map: the raw map as 32-bit floats on the pixels of its source (PS3.3 A.75)."""

from pathlib import Path
from typing import Any

import numpy as np

from xaijax.data.saving import dicom
from xaijax.data.saving.placing import SavedMap

FORMAT = "dicom-pm"


def save_dicom_pm(path: Path, one: SavedMap, header: Any, series: dicom.Series) -> None:
    """Writes a parametric map in the study of its source, in a series of its own.

    Args:
        path: of the file.
        one: the map; pixels that were not explained become 0.
        header: of the source, by `read_header`; it must have one frame, a place in space and the size of the map.
        series: of the run.

    Raises:
        InputError: for a source that the map does not lie on, or that highdicom refuses.
    """
    import highdicom as hd
    from pydicom.sr.codedict import codes

    dicom.check_source(header, one, FORMAT, placed=True)
    place = series.next(header.SeriesInstanceUID, one.method, FORMAT)
    values = dicom.whole(one.raw, one.explained)
    low, high = float(values.min()), float(values.max())
    window = hd.VOILUTTransformation(window_center=(low + high) / 2, window_width=max(high - low, 1e-6))
    identity = hd.pm.RealWorldValueMapping(
        lut_label=one.method.upper()[:16],
        lut_explanation="map as the method made it",
        unit=codes.UCUM.NoUnits,
        value_range=(low, high),
        slope=1.0,
        intercept=0.0,
        quantity_definition=dicom.concept(one),
    )

    def made() -> Any:
        return hd.pm.ParametricMap(
            source_images=[header],
            pixel_array=values,
            series_instance_uid=place.uid,
            series_number=place.number,
            sop_instance_uid=place.object_uid,
            instance_number=place.instance,
            contains_recognizable_visual_features=False,
            real_world_value_mappings=[identity],
            voi_lut_transformations=[window],
            content_label="MAP",
            content_description=_words(one, values),
            series_description=dicom.label(one),
            **dicom.equipment(),
        )

    dicom.write(path, made, one, header, FORMAT)


def _words(one: SavedMap, values: np.ndarray) -> str:
    part = "" if one.explained.all() else "; 0 outside the part explained"
    return f"{one.method}, raw{part}"[:64]

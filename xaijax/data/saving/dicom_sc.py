"""DICOM Secondary Capture: the overlay as an RGB image that any viewer shows next to its source (PS3.3 A.8.1)."""

from pathlib import Path
from typing import Any

import numpy as np

from xaijax._errors import InputError
from xaijax.data.saving import dicom
from xaijax.data.saving.placing import SavedMap

FORMAT = "dicom-sc"


def save_dicom_sc(path: Path, one: SavedMap, drawn: np.ndarray, header: Any, series: dicom.Series) -> None:
    """Writes an overlay in the study of its source, in a series of its own.

    Args:
        path: of the file.
        one: the map that is drawn.
        drawn: `[h, w, 3]` uint8, the overlay at the size of the source.
        header: of the source, by `read_header`; of several frames the first is referenced.
        series: of the run.

    Raises:
        InputError: for another size, or a source that highdicom refuses.
    """
    import highdicom as hd
    from pydicom.dataset import Dataset
    from pydicom.sr.codedict import codes
    from pydicom.uid import ExplicitVRLittleEndian

    dicom.check_source(header, one, FORMAT, single=False)
    if drawn.shape != (*one.raw.shape, 3) or drawn.dtype != np.uint8:
        raise InputError(f"the overlay of {one.image} must be uint8 [h, w, 3]; got {drawn.dtype} of {drawn.shape}")
    place = series.next(header.SeriesInstanceUID, one.method, FORMAT)
    equipment = dicom.equipment()
    equipment.pop("device_serial_number")

    def made() -> Any:
        capture: Any = hd.sc.SCImage.from_ref_dataset(
            header,
            pixel_array=drawn,
            photometric_interpretation=hd.PhotometricInterpretationValues.RGB,
            bits_allocated=8,
            coordinate_system=hd.CoordinateSystemNames.PATIENT,
            patient_orientation=("L", "P"),  # asked for here; that of the source follows
            series_instance_uid=place.uid,
            series_number=place.number,
            sop_instance_uid=place.object_uid,
            instance_number=place.instance,
            transfer_syntax_uid=ExplicitVRLittleEndian,
            series_description=dicom.label(one),
            **equipment,
        )
        capture.copy_patient_and_study_information(header)
        # Where rows and columns point in the patient: as the source says, or not known (type 2C).
        capture.PatientOrientation = header.get("PatientOrientation") or None
        capture.ImageType = ["DERIVED", "SECONDARY"]
        capture.DerivationDescription = f"Overlay of {one.method}, strongest evidence brightest"[:1024]
        source = Dataset()
        source.ReferencedSOPClassUID = header.SOPClassUID
        source.ReferencedSOPInstanceUID = header.SOPInstanceUID
        if int(header.get("NumberOfFrames", 1) or 1) > 1:
            source.ReferencedFrameNumber = 1
        purpose = hd.sr.CodedConcept.from_code(codes.DCM.SourceImageForImageProcessingOperation)
        source.PurposeOfReferenceCodeSequence = [purpose]
        capture.SourceImageSequence = [source]
        return capture

    dicom.write(path, made, one, header, FORMAT)

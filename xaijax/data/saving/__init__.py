"""Maps as files: arrays in, one whole file out, one format a module.

Every function takes a `SavedMap`, a map that lies on the pixels of its image; `on_image` brings a method's map there.
DICOM objects belong to the study of their source, which must be DICOM; nothing of a patient reaches the other formats.
"""

from xaijax.data.saving.dicom import Series, is_dicom, read_header
from xaijax.data.saving.dicom_pm import save_dicom_pm
from xaijax.data.saving.dicom_sc import save_dicom_sc
from xaijax.data.saving.dicom_seg import marked, save_dicom_seg
from xaijax.data.saving.nifti import NiftiSlice, is_nifti, save_nifti, slice_of
from xaijax.data.saving.npz import save_npz
from xaijax.data.saving.placing import SavedMap, on_image
from xaijax.data.saving.png import save_png
from xaijax.data.saving.tiff import save_tiff

__all__ = [
    "NiftiSlice",
    "SavedMap",
    "Series",
    "is_dicom",
    "is_nifti",
    "marked",
    "on_image",
    "read_header",
    "save_dicom_pm",
    "save_dicom_sc",
    "save_dicom_seg",
    "save_nifti",
    "save_npz",
    "save_png",
    "save_tiff",
    "slice_of",
]

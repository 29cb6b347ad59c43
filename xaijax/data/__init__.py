"""Images, labels and masks: readers of the field's data sets, and phantoms that need no files.

    from xaijax import data
    dataset = data.open_dataset("brain_mri/", mask_role="lesion")
    train, validation = data.split(dataset, 0.2, seed=0)
    batch = dataset.read(train[:32], shape=(128, 128, 3))

Images are uint8 `[B, H, W, C]`, masks bool `[B, H, W]`. Nothing here imports JAX.
"""

from xaijax.data._split import split
from xaijax.data.cues import cover, plant
from xaijax.data.dataset import MASK_ROLES, Batch, Case, Content, Dataset, Element, Source
from xaijax.data.found import Found
from xaijax.data.opening import open_dataset
from xaijax.data.reading import MaskRole
from xaijax.data.summary import Summary, summarise

__all__ = [
    "MASK_ROLES",
    "Batch",
    "Case",
    "Content",
    "Dataset",
    "Element",
    "Found",
    "MaskRole",
    "Source",
    "Summary",
    "cover",
    "open_dataset",
    "plant",
    "split",
    "summarise",
]

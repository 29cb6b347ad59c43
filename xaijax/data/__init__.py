"""Images, labels and masks: readers of the field's data sets, and phantoms that need no files.

    from xaijax import data
    dataset = data.open_dataset("brain_mri/", mask_role="lesion")
    sides = data.partition(dataset, seed=0)  # training, validation and test
    batch = dataset.read(sides["training"][:32], shape=(128, 128, 3))

Images are uint8 `[B, H, W, C]`, masks bool `[B, H, W]`. Nothing here imports JAX.
"""

from xaijax.data._leaks import Leaks, leaks
from xaijax.data._own_split import own_split
from xaijax.data._partition import folds, partition
from xaijax.data._split import split
from xaijax.data._split_file import read_split
from xaijax.data.cues import cover, plant
from xaijax.data.dataset import Batch, Case, Content, Dataset, Element, Source
from xaijax.data.found import Found
from xaijax.data.opening import open_dataset
from xaijax.data.summary import Summary, summarize

__all__ = [
    "Batch",
    "Case",
    "Content",
    "Dataset",
    "Element",
    "Found",
    "Leaks",
    "Source",
    "Summary",
    "cover",
    "folds",
    "leaks",
    "open_dataset",
    "own_split",
    "partition",
    "plant",
    "read_split",
    "split",
    "summarize",
]

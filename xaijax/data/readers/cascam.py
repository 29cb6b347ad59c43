"""The pets and COCO sets of the CasCAM study: cats and dogs with a text box that gives the class away.

    original/*.jpg                         the images without the box
    with_artifact/*.jpg                    the same images with it: these are the images of the data set
    artifact_boxes/<name>_artifact.png     the box
    annotations/trimaps/<name>.png         the animal is 1
    annotations/{trainval,test}.txt        the sides of the split

The class stands in the name of a file: the word cat or dog, else a capital first letter for cats. The breed, or what
else stands before the number, is in `Case.extra`.

References:
    Choi et al., "CasCAM", 2025: the repositories oxford-pets-cascam and coco-catdog-cascam of guebin.
"""

from pathlib import Path
from types import MappingProxyType

from xaijax._errors import InputError
from xaijax.data import files, pets
from xaijax.data.dataset import Case, Dataset
from xaijax.data.files import ImageFile
from xaijax.data.found import Census
from xaijax.data.masks import Entry, MaskFile
from xaijax.data.reading import MaskRole, Reading
from xaijax.data.scan import join, scan

WITH, WITHOUT, BOXES = "with_artifact", "original", "artifact_boxes"
ANNOTATIONS, TRIMAPS = "annotations", "annotations/trimaps"
NO_CLASS = "its name says neither cat nor dog"
REASONS = {
    WITH: NO_CLASS,
    WITHOUT: f"no image in {WITH} has its name",
    BOXES: f"it is the mask of a box and no image in {WITH} has its name",
    TRIMAPS: f"it is a trimap and no image in {WITH} has its name",
}


def matches(folder: Path) -> bool:
    """Whether the folder has this layout."""
    return (folder / WITH).is_dir() and any((folder / other).is_dir() for other in (WITHOUT, BOXES))


def read(folder: Path, reading: Reading) -> Dataset:
    """List the images with a box.

    Args:
        folder: the folder that holds `with_artifact`.
        reading: how to read them.

    Returns:
        The data set, cases by name; the image without the box is the source's `clean`. Boxes are artefacts.

    Raises:
        InputError: if `with_artifact` holds no image whose name says its class.
    """
    census = Census("cats and dogs with text boxes (CasCAM)")
    tree = scan(folder, census, allow_outside=reading.allow_outside)
    used: dict[str, str] = {}
    clean, boxes, trimaps = (pets.by_stem(tree, place) for place in (WITHOUT, BOXES, TRIMAPS))
    sides = pets.sides(tree, ANNOTATIONS, used, census)
    if "list.txt" in tree.files.get(ANNOTATIONS, ()):
        used[f"{ANNOTATIONS}/list.txt"] = "table"
    rule, animal = pets.trimaps(reading, census) if trimaps else ({}, None)
    cases = []
    for name in filter(files.is_image, tree.files.get(WITH, ())):
        stem = pets.stem(name)
        species = pets.species(stem)
        if species is None:
            continue
        image = join(WITH, name)
        used[image] = "image"
        masks: list[tuple[MaskRole | None, Entry]] = []
        box = boxes.get(f"{stem}_artifact") or boxes.get(stem)
        if box:
            used[box] = "mask"
            masks.append(("artefact", Path(tree.path(box))))
        if stem in trimaps:
            used[trimaps[stem]] = "mask"
            masks.append((animal, MaskFile(Path(tree.path(trimaps[stem])), rule)))
        twin = clean.get(stem)
        if twin:
            used[twin] = "clean image"
        cases.append(
            Case(
                id=image,
                label=pets.SPECIES.index(species),
                source=ImageFile(
                    Path(tree.path(image)),
                    tuple(masks),
                    reading,
                    Path(tree.path(twin)) if twin else None,
                ),
                extra=MappingProxyType({"breed": pets.breed(stem)}),
                split=sides.get(stem),
            )
        )
    if not cases:
        raise InputError(f"{folder / WITH} holds no images whose names say cat or dog")
    tree.count(census, used, REASONS)
    primary = reading.mask_role or files.primary_role(case.source for case in cases)
    return Dataset(folder.resolve().name, pets.SPECIES, primary, tuple(cases), found=census.found())

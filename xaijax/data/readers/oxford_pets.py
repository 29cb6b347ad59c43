"""The Oxford-IIIT Pet set: `images/*.jpg`, `annotations/{list,trainval,test}.txt`, `annotations/trimaps/*.png`.

The class is the breed, from the name of the file; `--classes cat dog` makes it the species. The other one stands in
`Case.extra`. Trimaps outline the animal. `annotations/xmls` (boxes of heads) is not used.

References:
    Parkhi, Vedaldi, Zisserman and Jawahar, "Cats and dogs", CVPR 2012.
"""

from pathlib import Path
from types import MappingProxyType

from xaijax._errors import InputError
from xaijax._names import normal
from xaijax.data import files, pets
from xaijax.data.dataset import Case, Dataset
from xaijax.data.files import ImageFile
from xaijax.data.found import Census
from xaijax.data.masks import MaskFile
from xaijax.data.reading import MaskRole, Reading
from xaijax.data.scan import scan

IMAGES, ANNOTATIONS, TRIMAPS = "images", "annotations", "annotations/trimaps"
UNUSED_MASK = "it is a trimap and no image has its name"


def matches(folder: Path) -> bool:
    """Whether the folder has this layout."""
    return (folder / IMAGES).is_dir() and (folder / TRIMAPS).is_dir()


def read(folder: Path, reading: Reading) -> Dataset:
    """List the images of the set.

    Args:
        folder: the folder with `images` and `annotations`.
        reading: how to read them; classes that are all of "cat" and "dog" ask for the species.

    Returns:
        The data set, classes sorted by name, cases by name, with `Case.split` where the lists say it.

    Raises:
        InputError: if `images` holds none.
    """
    census = Census("Oxford-IIIT Pet")
    tree = scan(folder, census, allow_outside=reading.allow_outside)
    used: dict[str, str] = {}
    found = {pets.stem(name): f"{IMAGES}/{name}" for name in tree.files.get(IMAGES, ()) if files.is_image(name)}
    if not found:
        raise InputError(f"{folder / IMAGES} holds no images of the Oxford-IIIT Pet set")
    sides = pets.sides(tree, ANNOTATIONS, used, census)
    if "list.txt" in tree.files.get(ANNOTATIONS, ()):
        used[f"{ANNOTATIONS}/list.txt"] = "table"
    trimaps = pets.by_stem(tree, TRIMAPS)
    rule, role = pets.trimaps(reading, census)
    by_species = bool(reading.classes) and {normal(name) for name in reading.classes} <= set(pets.SPECIES)
    kinds = {stem: (pets.species(stem) or "unknown", pets.breed(stem)) for stem in found}
    chosen = {stem: one[0 if by_species else 1] for stem, one in kinds.items()}
    classes = tuple(sorted(set(chosen.values())))
    census.note(
        "The class is the species, the breed stands in the column breed."
        if by_species
        else "The class is the breed; --classes cat dog takes the species instead."
    )
    cases = []
    for stem, image in found.items():
        used[image] = "image"
        masks: tuple[tuple[MaskRole | None, MaskFile], ...] = ()
        if stem in trimaps:
            used[trimaps[stem]] = "mask"
            masks = ((role, MaskFile(Path(tree.path(trimaps[stem])), rule)),)
        extra = {"species": kinds[stem][0], "breed": kinds[stem][1]}
        cases.append(
            Case(
                id=image,
                label=classes.index(chosen[stem]),
                source=ImageFile(Path(tree.path(image)), masks, reading),
                extra=MappingProxyType(extra),
                split=sides.get(stem),
            )
        )
    outside = sum(case.split is None for case in cases)
    if sides and outside:
        census.note(f"Images that stand in neither trainval.txt nor test.txt: {outside}.")
    tree.count(census, used, {TRIMAPS: UNUSED_MASK})
    primary = reading.mask_role or files.primary_role(case.source for case in cases)
    return Dataset(folder.resolve().name, classes, primary, tuple(cases), found=census.found())

"""Where masks come from: mask files, and what readers and images do with any source of masks."""

from dataclasses import dataclass
from pathlib import Path

from xaijax.data.masks import stored
from xaijax.data.masks.meaning import Rule, masks_of, rule_of, stated_rule
from xaijax.data.masks.protocol import Canvas, Masks, MaskSource
from xaijax.data.reading import MaskRole, Reading

Entry = str | Path | MaskSource


@dataclass(frozen=True, slots=True)
class MaskFile:
    """A mask file.

    Attributes:
        path: the file: an image, an array, a label map, a DICOM segmentation.
        rule: what its values mean in a known layout, role -> values, or empty; `--mask-values` goes before it.
        frame: which frame or slice; None for that of its image.

    Example:
        >>> from xaijax.data.reading import AS_STORED
        >>> trimap = MaskFile("trimaps/Abyssinian_1.png", rule={"organ": (1,)})
        >>> trimap.roles(None, AS_STORED)
        ('organ',)
    """

    path: str | Path
    rule: Rule | None = None
    frame: int | None = None

    def roles(self, role: MaskRole | None, reading: Reading) -> tuple[MaskRole | None, ...]:
        return tuple(rule_of(role, stated_rule(reading, self.rule))) or (role,)

    def read(self, role: MaskRole | None, canvas: Canvas) -> Masks:
        rule = stated_rule(canvas.reading, self.rule)
        named_by = "--mask-values" if canvas.reading.mask_values else ""
        path = Path(self.path)
        if stored.kind_of(path) == "dicom":
            from xaijax.data.masks import segmentation

            if segmentation.is_segmentation(path):
                return segmentation.read(path, role, rule, canvas)
        frame = canvas.frame if self.frame is None else self.frame
        try:
            values = stored.read(path, frame)
        except (OSError, ValueError, MemoryError):
            raise
        except Exception as error:  # decoders of damaged files raise anything
            raise ValueError(f"it is damaged ({type(error).__name__})") from error
        return masks_of(values, role, rule, named_by=named_by)


def source_of(entry: Entry) -> MaskSource:
    """The source of an entry; a path is a mask file, or boxes in Pascal VOC's XML."""
    if not isinstance(entry, (str, Path)):
        return entry
    if str(entry).lower().endswith(".xml"):
        from xaijax.data.masks.voc import VocFile

        return VocFile(entry)
    return MaskFile(entry)


def roles_of(entry: Entry, role: MaskRole | None, reading: Reading) -> tuple[MaskRole | None, ...]:
    """The roles of the elements that an entry may give."""
    return source_of(entry).roles(role, reading)


def read_entry(entry: Entry, role: MaskRole | None, canvas: Canvas) -> Masks:
    """What an entry gives. Masks that cannot be read cost no image: the reason becomes a note."""
    try:
        return source_of(entry).read(role, canvas)
    except (OSError, ValueError) as error:
        from xaijax.data.images import reason

        return Masks((), (f"a mask cannot be read ({reason(error)})",))
    except MemoryError:
        return Masks((), ("a mask cannot be read (it needs more memory than there is)",))

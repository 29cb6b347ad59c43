"""Planted cues: things in an image that reveal its class without being a sign of it, with exact masks.

    from xaijax import data
    planted = data.plant(dataset, ["text", "ruler:melanoma"], correlation=0.95, seed=0)
    covered = data.cover(planted)      # the same images, with the clean pixels in place of the cues

A cue is one file with a function `draw` that describes it, and one line in `CUES`. A `"text"` cue shows the name of one
class in every image. The others look alike for all classes and mark one class: `ruler:melanoma` is on images of
melanomas and absent from the others, as far as the correlation goes.

**Correlation.** On a share `correlation` of the images of every class the cue agrees with the label. On the others it
misleads: a text names another class (the others alternate), a cue that marks a class is absent from it, or present in
another one. So a classifier that uses only a text cue is right on exactly that share; 0 gives a test set in which every
cue misleads, and for two classes a cue of correlation 0.5 carries no information. The shares are exact and not only
expected: with q = 1 - correlation and u drawn once per class and cue, the cue misleads in the n-th image of a class if
`floor((n + 1) q + u)` is larger than `floor(n q + u)`. So among the first n images of a class, in the order of the data
set, q n have a misleading cue, to within less than one for every n, and a longer data set begins with the shorter one.
Several cues mislead independently of each other.

**Place.** Where and how a cue is drawn depends only on the seed, the id of the image and the cue's position in the
list. Cues keep off lesions, existing artefacts and each other where that is possible; hairs and dark corners do not.
They are drawn in the order of the list, a later one over an earlier one. Every cue is an element of role `"artefact"`.
Outside its mask the image is the clean one, bit for bit, at the size at which it is stored. Masks of lesions do not
change, whatever lies over them.
"""

from xaijax.data.cues.covering import cover
from xaijax.data.cues.planting import CUES, plant

__all__ = ["CUES", "cover", "plant"]

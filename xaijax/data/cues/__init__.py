"""Planted cues: things in a picture that tell its class and are no sign of it, with exact masks.

    from xaijax import data
    planted = data.plant(dataset, ["text", "ruler:melanoma"], correlation=0.95, seed=0)
    covered = data.cover(planted)      # the same cases, with the clean pixels where the cues stood

A cue is one file with a function `draw`, and one line in `CUES`. What each looks like is said there. A `"text"` cue
shows one class's name in every picture; the others look alike for all classes and mark one class: `ruler:melanoma` is
on pictures of melanomas and absent from the others, as far as the correlation goes.

**Correlation.** On a share `correlation` of the pictures of every class the cue tells the truth. On the others it lies:
a text names another class (these take turns), a cue that marks a class is absent from it, or present in another one.
So a classifier that knows nothing but the cue is right, for a text, on exactly that share; 0 gives a test set in which
every cue lies, and for two classes 0.5 is a cue that says nothing. The shares are exact and not only expected: with q =
1 - correlation and u drawn once per class and cue, the n-th picture of a class lies if `floor((n + 1) q + u)` is larger
than `floor(n q + u)`, so that of the first n pictures of a class, in the order of the data set, q n lie to within less
than one for every n, and a longer data set begins with the shorter one. Several cues lie independently of each other.

**Place.** Where and how a cue is drawn depends on the seed, the id of the case and the cue's position in the list
alone. Cues keep off lesions, artefacts that are there already and each other where that is possible; hairs and dark
corners do not. They are drawn in the order of the list, a later one over an earlier one. Every cue is an element of
role `"artefact"`; outside its mask the picture is the clean one, bit for bit, at the size at which it is stored. Masks
of lesions stay as they are, whatever lies over them.
"""

from xaijax.data.cues.covering import cover
from xaijax.data.cues.planting import CUES, plant

__all__ = ["CUES", "cover", "plant"]

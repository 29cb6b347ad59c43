"""How a classifier runs a model: one file per kind of model, all behind `Network`.

Private; the public face is `xaijax.classifier.Classifier`. A network is static (hashable, compared by value) and
holds no arrays to differentiate: these are the parameter pytree that every call is given.
"""

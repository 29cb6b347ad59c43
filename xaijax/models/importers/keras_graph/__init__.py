"""Keras models, from their configuration and weights, as graphs of the operations in `torch_graph`; without Keras.

`model.translate` walks a configuration (JSON) and writes operations with a `Builder`, one function for each class of
layer. Nothing of a file is run: a Lambda layer or a class that is not Keras's own is refused by name.
"""

"""The exception for input that a user can correct."""


class InputError(ValueError):
    """Bad input, said in one sentence: what was given, what is allowed, what to do.

    The command line prints it and exits with status 2.
    """

"""The parts of `xaijax.train`: augmentation, one optimisation step, evaluation, saved state and figures. Private."""

"""The portable fallback where no extension is built, and an independent oracle of the tests. Not tuned."""

"""Readers, one file per layout. Each has `matches(folder)` and `read(folder, ...) -> Dataset`."""

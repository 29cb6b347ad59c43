"""What all commands share: options and the command line, run folders, provenance, progress, tables, pages."""

"""Facts of each machine as data: relocation classes, special sections, padding."""

//! Reports of runs made by hand. Does not know real ones.

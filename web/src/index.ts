// The package's main entry: rooms. A table of contents, without logic.
export {};

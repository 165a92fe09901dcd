// The entry `seabag/entdb`: a private database of entities that syncs sealed. A table of contents, without logic.
export {};

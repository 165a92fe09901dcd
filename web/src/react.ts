// The entry `seabag/react`: hooks and components. A table of contents, without logic.
export {};

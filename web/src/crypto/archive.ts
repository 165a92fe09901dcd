// The export file (`.dpl`): messages sealed with the seed, outside any host. Both ways it is the reference program's file.
// Neither writing nor reading holds more in memory than one message and a few windows. A table of contents.
//
// head: label with its length, key index, count of items (varints), BLAKE3 of the index (32), signature of that hash (64)
// index: its length, then for each item derivation bytes (8), sealed head with its length, length of the sealed body and,
// unless that is 0, its offset among the bodies; then the bodies: their length, then the sealed bodies.
//
// The signature covers the index, and through it the sealed heads. A head holds its body's hash. The count is covered by
// nothing, and so it is compared with what is found, and a difference is told.

export { type ArchiveKey, EXPORT_KEY, OtherKeyError } from './archive/head.ts';
export { type ArchiveItem, ArchiveReader, DamageError, readArchive } from './archive/read.ts';
export { ArchiveWriter, writeArchive } from './archive/write.ts';

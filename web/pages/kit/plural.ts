// Counts in words.

/** `1 byte`, `2 bytes`; what is not formed with an s is given. */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString('en')} ${count === 1 ? one : many}`;
}

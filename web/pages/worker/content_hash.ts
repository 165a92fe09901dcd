// How the build and the offline worker name a file's content: both run this.

const HASH_BYTES = 16;

/** The first 16 bytes of SHA-256, in hex. */
export async function contentHash(bytes: BufferSource): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest.subarray(0, HASH_BYTES), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

// Numbers as tables show them. Knows nothing of what was measured.

/** The value at a share (0 to 1) of these, in their order. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** Median and 99th percentile, as `0.36 / 1.1 ms`; what is below a millisecond in microseconds. */
export function spread(values: readonly number[]): string {
  return `${duration(quantile(values, 0.5))} / ${duration(quantile(values, 0.99))}`;
}

/** Milliseconds, in the unit that suits them. */
export function duration(ms: number): string {
  if (ms < 1) return `${(ms * 1000).toFixed(ms < 0.01 ? 1 : 0)} us`;
  if (ms < 1000) return `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;
  return `${(ms / 1000).toFixed(2)} s`;
}

/** So many of something in so many milliseconds, a second. */
export function perSecond(count: number, ms: number): string {
  return Math.round((count * 1000) / ms).toLocaleString('en');
}

/** Bytes as MiB. */
export function mebibytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

/** Prints a table as Markdown. */
export function printTable(heads: readonly string[], rows: readonly (readonly string[])[]): void {
  const line = (cells: readonly string[]) => process.stdout.write(`| ${cells.join(' | ')} |\n`);
  line(heads);
  process.stdout.write(`|${'---|'.repeat(heads.length)}\n`);
  for (const row of rows) line(row);
  process.stdout.write('\n');
}

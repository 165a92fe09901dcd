// A turn for others in the middle of long work. Not a timer: those stand almost still in a hidden tab.

/** Resolves after everything that waits for its turn now has had it. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}

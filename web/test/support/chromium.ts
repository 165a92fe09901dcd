// Where Chromium is, and how tests start it: quiet, and with no network but this machine's.

/** The browser's program: `SEABAG_CHROMIUM`, or Debian's. */
export const chromiumPath = process.env.SEABAG_CHROMIUM ?? '/usr/bin/chromium';

/** Flags of every test's browser. */
export const chromiumArguments = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // Names of peers would be asked for by multicast, which a machine in the cloud may not have.
  '--disable-features=WebRtcHideLocalIpsWithMdns',
];

// The vectors of the host protocol in Chromium.

import { testHostBodies } from './host_bodies.ts';
import { testHostExchanges } from './host_exchanges.ts';
import { testHostVectors } from './host_vectors.ts';

testHostVectors();
testHostBodies();
testHostExchanges();

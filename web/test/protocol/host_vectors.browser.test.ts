// The vectors of the host protocol in Chromium.

import { testHostExchanges } from './host_exchanges.ts';
import { testHostVectors } from './host_vectors.ts';

testHostVectors();
testHostExchanges();

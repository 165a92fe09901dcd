// The vectors of entities in Chromium.

import { testEntdbVectors } from './vectors.ts';

testEntdbVectors();

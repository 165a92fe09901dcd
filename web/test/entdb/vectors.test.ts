// The vectors of entities in Node.

import { testEntdbVectors } from './vectors.ts';

testEntdbVectors();

// What a property was at the latest render, for effects that shall not run anew because it is written out in place.

import { type RefObject, useInsertionEffect, useRef } from 'react';

/** Holds the value of the latest render: set before all other effects. */
export function useLatest<T>(value: T): RefObject<T> {
  const latest = useRef(value);
  useInsertionEffect(() => {
    latest.current = value;
  }, [value]);
  return latest;
}

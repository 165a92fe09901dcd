// Lists of listeners, with the methods by which DriftDB's users reach them.

import { callSafely } from '../listeners.ts';

/** Listeners of one kind of event. */
export class EventListener<T> {
  listeners: Array<(event: T) => void> = [];

  addListener(listener: (event: T) => void): void {
    this.listeners = [...this.listeners, listener];
  }

  removeListener(listener: (event: T) => void): void {
    this.listeners = this.listeners.filter((one) => one !== listener);
  }

  dispatch(event: T): void {
    for (const listener of this.listeners) {
      if (this.listeners.includes(listener)) callSafely(() => listener(event));
    }
  }
}

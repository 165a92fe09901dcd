// A walk through all messages, in steps that may be days apart: entities, ends of entities, then what is set aside.

import type { Message } from '../protocol/host/message.ts';

/** Some of all the messages that are here. */
export interface MessagePage {
  /** The messages. */
  readonly messages: Message[];
  /** Where to go on; null at the end. */
  readonly next: string | null;
}

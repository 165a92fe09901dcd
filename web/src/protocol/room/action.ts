// What a push does to its key's stream (docs/rooms.md, "Actions").

/** `append`, `replace`, `relay` (heard and not kept), `close` (the room's last message), or `compact` up to `seq`. */
export type PushAction =
  | { readonly type: 'append' | 'replace' | 'relay' | 'close' }
  | { readonly type: 'compact'; readonly seq: number };

// The offline worker: keeps the built files, so that the pages open while the server is away. It answers for these
// files alone; rooms, accounts and other origins never pass through it.

export {};

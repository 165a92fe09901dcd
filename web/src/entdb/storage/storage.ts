// What the database needs of a storage: rows in, rows out, in transactions. Every rule is above it.

/** Rows of one database. */
export interface Storage {
  /** The name that tabs tell each other changes under; null: nobody else can have it open. */
  readonly name: string | null;
}

// The component that gives its children a database of entities: one that is open already, or one that it opens itself.

import {
  type Dispatch,
  type ReactElement,
  type ReactNode,
  type SetStateAction,
  useEffect,
  useState,
} from 'react';
import type { EntDB, OpenOptions } from '../client/entdb.ts';
import { EntDBContext } from './ents.ts';
import { useLatest } from './use_latest.ts';

/** What a provider of entities is told. */
export type EntDBProviderProps = {
  children?: ReactNode;
  /** Shown until the database is open. Default: nothing. */
  fallback?: ReactNode;
  /** Hears why it could not be opened. Without it, the error is thrown, for an error boundary. */
  onError?: (error: unknown) => void;
} & (
  | {
      /** One that is open. Whoever opened it closes it. */
      db: EntDB;
      open?: undefined;
    }
  | {
      /** How to open one. It is closed when the component goes, or when name, seed or storage change. */
      open: OpenOptions;
      db?: undefined;
    }
);

/** Gives all hooks below a database of entities. */
export function EntDBProvider(props: EntDBProviderProps): ReactElement {
  const { children, fallback = null, db, open, onError } = props;
  return db === undefined ? (
    <Opening open={open} fallback={fallback} onError={onError}>
      {children}
    </Opening>
  ) : (
    <EntDBContext.Provider value={db}>{children}</EntDBContext.Provider>
  );
}

interface OpeningProps {
  open: OpenOptions;
  children: ReactNode;
  fallback: ReactNode;
  onError: ((error: unknown) => void) | undefined;
}

type Opened = { door: Door; db: EntDB; error?: undefined } | { door: Door; db?: undefined; error: unknown };

function Opening({ open, children, fallback, onError }: OpeningProps): ReactElement {
  const [door, setDoor] = useState(() => new Door(open));
  const [opened, setOpened] = useState<Opened>();
  if (!door.opens(open)) setDoor(new Door(open));
  useEffect(() => door.hold(setOpened), [door]);
  const here = opened?.door === door ? opened : undefined;
  const error = here?.error;
  const latest = useLatest(onError);
  useEffect(() => {
    if (error !== undefined) latest.current?.(error);
  }, [error, latest]);
  if (error !== undefined && onError === undefined) throw error;
  if (here?.db === undefined) return <>{fallback}</>;
  return <EntDBContext.Provider value={here.db}>{children}</EntDBContext.Provider>;
}

/** Opens a database while somebody holds it. Rendering makes one without effects. */
class Door {
  readonly #options: OpenOptions;
  #users = 0;
  #opening: Promise<EntDB> | undefined;

  constructor(options: OpenOptions) {
    this.#options = options;
  }

  opens({ name, seed, storage }: OpenOptions): boolean {
    const mine = this.#options;
    return name === mine.name && storage === mine.storage && seed.equals(mine.seed);
  }

  hold(tell: Dispatch<SetStateAction<Opened | undefined>>): () => void {
    let here = true;
    this.#users += 1;
    this.#opening ??= openLazily(this.#options);
    this.#opening.then(
      (db) => here && tell({ door: this, db }),
      (error: unknown) => here && tell({ door: this, error }),
    );
    return () => {
      here = false;
      this.#users -= 1;
      // Later: StrictMode lets go and takes hold again in one go, and should find the same database.
      queueMicrotask(() => {
        if (this.#users > 0) return;
        this.#opening?.then((db) => db.close()).catch(() => undefined);
        this.#opening = undefined;
        // A component that is only hidden comes back, and should not find a database that is closed.
        tell((opened) => (opened?.door === this ? undefined : opened));
      });
    };
  }
}

/** Rooms alone should not load the database's code. */
async function openLazily(options: OpenOptions): Promise<EntDB> {
  const { openEntDB } = await import('../client/entdb.ts');
  return openEntDB(options);
}

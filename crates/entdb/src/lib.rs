//! The local database of entities.

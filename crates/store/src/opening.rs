//! Opening and making a store's directory. Refuses, before anything is served, data that ends before what was
//! acknowledged. A store of an older format is brought up to this one.

use std::path::Path;
use std::sync::Arc;

use crate::StoreError;
use crate::directory::{Contents, Directory};
use crate::engine::embedded::EmbeddedEngine;
use crate::engine::{Batch, Engine, Persist, Rows};
use crate::layout::{self, FIRST_VERSION, FORMAT_VERSION, Keyspace};
use crate::options::Options;
use crate::tables::Depth;
use crate::watermark::Watermark;
use crate::{journal, rows, tables};

/// Opens the store in a directory, or makes one where nothing is.
pub(crate) fn open(
    path: &Path,
    options: &Options,
    depth: Depth,
) -> Result<(EmbeddedEngine, Watermark), StoreError> {
    let (directory, contents) = Directory::lock(path)?;
    match contents {
        Contents::Store(version) => open_existing(directory, version, options, depth),
        Contents::Nothing => create(directory, options),
    }
}

fn create(directory: Directory, options: &Options) -> Result<(EmbeddedEngine, Watermark), StoreError> {
    directory.begin(false)?;
    let watermark = Watermark::reset(&directory.watermark(), 0)?;
    let path = directory.engine();
    let directory = Arc::new(directory);
    let engine = EmbeddedEngine::open(&path, options, None, Box::new(directory.clone()))?;
    engine.write(first_batch())?;
    engine.persist(Persist::Disk)?;
    directory.finish()?;
    Ok((engine, watermark))
}

/// What a new store begins with: the format's version among the rows, where backups carry it.
pub(crate) fn first_batch() -> Batch {
    let version = bytes::Bytes::copy_from_slice(&FORMAT_VERSION.to_be_bytes());
    let mut batch = Batch::default();
    batch.put(Keyspace::Meta, layout::META_FORMAT.to_vec(), version);
    batch
}

/// Brings rows up to this program's format. What version 2 added to version 1 are keyspaces, which are empty, so
/// the version is all that changes. Safe to be interrupted, and to be done again.
pub(crate) fn upgrade(engine: &dyn Engine) -> Result<(), StoreError> {
    if format_version(engine)? < FORMAT_VERSION {
        engine.write(first_batch())?;
    }
    engine.persist(Persist::Disk)
}

fn open_existing(
    directory: Directory,
    version: u32,
    options: &Options,
    depth: Depth,
) -> Result<(EmbeddedEngine, Watermark), StoreError> {
    let (engine_path, watermark_path) = (directory.engine(), directory.watermark());
    let watermark = match Watermark::open(&watermark_path)? {
        None if !options.accept_loss => {
            let path = watermark_path.display();
            return Err(StoreError::Damaged(format!(
                "{path} is missing or damaged; --accept-loss makes it anew"
            )));
        }
        found => found,
    };
    let expected = watermark.as_ref().map(|(_, expected)| *expected).filter(|_| !options.accept_loss);
    // The engine numbers keyspaces as they are made, from 1. An upgrade makes more, and may be interrupted.
    let of_version = Keyspace::ALL.into_iter().filter(|keyspace| keyspace.since() <= version).count();
    let finished = Some(of_version).filter(|_| version < FORMAT_VERSION);
    tables::inspect(&engine_path, depth, finished)?;
    journal::inspect(&engine_path, expected)?;
    let directory = Arc::new(directory);
    let engine = EmbeddedEngine::open(&engine_path, options, Some(version), Box::new(directory.clone()))?;
    // The directory is marked last, so its rows may be ahead of it, never behind.
    let rows_version = format_version(&engine)?;
    if rows_version < version {
        let text = format!("the store has version {version}, its rows have version {rows_version}");
        return Err(StoreError::UnknownFormat(text));
    }
    let found = newest_commit(&engine)?;
    let watermark = match watermark {
        Some((_, expected)) if expected > found && !options.accept_loss => {
            return Err(StoreError::Shortened { found, expected });
        }
        Some((watermark, expected)) if expected <= found => watermark,
        _ => {
            tracing::warn!(found, "opened with loss accepted");
            Watermark::reset(&watermark_path, found)?
        }
    };
    if version < FORMAT_VERSION {
        upgrade(&engine)?;
        directory.finish()?;
        tracing::info!(from = version, to = FORMAT_VERSION, "brought the store up to this program's format");
    }
    Ok((engine, watermark))
}

/// The newest commit number among the rows.
pub(crate) fn newest_commit(rows: &dyn Rows) -> Result<u64, StoreError> {
    let row = rows.get(Keyspace::Meta, layout::META_COMMIT)?;
    row.map_or(Ok(0), |row| rows::decode_u64(&row, "meta"))
}

/// The format's version among the rows. Refuses those that this program does not read.
pub(crate) fn format_version(rows: &dyn Rows) -> Result<u32, StoreError> {
    let Some(row) = rows.get(Keyspace::Meta, layout::META_FORMAT)? else {
        return Err(StoreError::Damaged("the rows have no format version".into()));
    };
    let version = row.as_ref().try_into().ok().map(u32::from_be_bytes);
    let read = version.filter(|version| (FIRST_VERSION..=FORMAT_VERSION).contains(version));
    read.ok_or_else(|| StoreError::UnknownFormat(format!("the rows have version {row:02x?}")))
}

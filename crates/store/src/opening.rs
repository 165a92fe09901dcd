//! Opening and making a store's directory. Refuses, before anything is served, data that ends before what was
//! acknowledged.

use std::path::Path;

use crate::StoreError;
use crate::directory::{Contents, Directory};
use crate::engine::embedded::EmbeddedEngine;
use crate::engine::{Batch, Engine, Persist, Rows};
use crate::layout::{self, FORMAT_VERSION, Keyspace};
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
        Contents::Store => open_existing(directory, options, depth),
        Contents::Nothing => create(directory, options),
    }
}

fn create(directory: Directory, options: &Options) -> Result<(EmbeddedEngine, Watermark), StoreError> {
    directory.begin(false)?;
    let watermark = Watermark::reset(&directory.watermark(), 0)?;
    let path = directory.engine();
    let directory = std::sync::Arc::new(directory);
    let engine = EmbeddedEngine::open(&path, options, true, Box::new(directory.clone()))?;
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

fn open_existing(
    directory: Directory,
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
    tables::inspect(&engine_path, depth)?;
    journal::inspect(&engine_path, expected)?;
    let engine = EmbeddedEngine::open(&engine_path, options, false, Box::new(directory))?;
    check_format(&engine)?;
    let found = newest_commit(&engine)?;
    match watermark {
        Some((_, expected)) if expected > found && !options.accept_loss => {
            Err(StoreError::Shortened { found, expected })
        }
        Some((watermark, expected)) if expected <= found => Ok((engine, watermark)),
        _ => {
            tracing::warn!(found, "opened with loss accepted");
            Ok((engine, Watermark::reset(&watermark_path, found)?))
        }
    }
}

/// The newest commit number among the rows.
pub(crate) fn newest_commit(rows: &dyn Rows) -> Result<u64, StoreError> {
    let row = rows.get(Keyspace::Meta, layout::META_COMMIT)?;
    row.map_or(Ok(0), |row| rows::decode_u64(&row, "meta"))
}

/// Refuses rows of another format.
pub(crate) fn check_format(rows: &dyn Rows) -> Result<(), StoreError> {
    match rows.get(Keyspace::Meta, layout::META_FORMAT)? {
        Some(version) if *version == FORMAT_VERSION.to_be_bytes() => Ok(()),
        Some(version) => Err(StoreError::UnknownFormat(format!("the rows have version {version:02x?}"))),
        None => Err(StoreError::Damaged("the rows have no format version".into())),
    }
}

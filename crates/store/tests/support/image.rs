//! A directory's files, taken out and put back: what a kill leaves, and what fixtures hold.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// All files below a directory, by their paths within it, in a stable order.
fn files(directory: &Path) -> Vec<PathBuf> {
    let (mut found, mut open) = (Vec::new(), vec![directory.to_owned()]);
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.push(path.strip_prefix(directory).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// What is in a file up to its last byte that is not zero, and how long it is: journals are reserved far ahead.
fn content(path: &Path) -> std::io::Result<(Vec<u8>, u64)> {
    let mut file = File::open(path)?;
    let length = file.metadata().unwrap().len();
    let (mut bytes, mut piece) = (Vec::new(), vec![0; 1 << 16]);
    loop {
        let read = file.read(&mut piece).unwrap();
        let empty = piece[..read].iter().all(|byte| *byte == 0);
        // Nothing that a test writes has this much of nothing in it.
        if read == 0 || (empty && read == piece.len()) {
            break;
        }
        bytes.extend_from_slice(&piece[..read]);
    }
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    Ok((bytes, length))
}

/// A directory as it was at some moment, in memory.
pub struct Image(pub Vec<(PathBuf, Vec<u8>, u64)>);

impl Image {
    /// Takes the image of a directory, which may be in use.
    pub fn take(directory: &Path) -> Self {
        let read = |path: PathBuf| {
            let (bytes, length) = content(&directory.join(&path))?;
            Ok((path, bytes, length))
        };
        // The engine may delete a file between listing and reading it.
        for _ in 0..100 {
            if let Ok(read) = files(directory).into_iter().map(read).collect::<std::io::Result<_>>() {
                return Self(read);
            }
        }
        panic!("{} does not come to rest", directory.display());
    }

    /// Makes the directory.
    pub fn write(&self, directory: &Path) {
        for (path, bytes, length) in &self.0 {
            let path = directory.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let mut file = File::create(path).unwrap();
            file.write_all(bytes).unwrap();
            file.set_len(*length).unwrap();
        }
    }

    /// The newest journal.
    pub fn journal(&self) -> &(PathBuf, Vec<u8>, u64) {
        self.0.iter().rev().find(|(path, ..)| path.extension().is_some_and(|end| end == "jnl")).unwrap()
    }

    /// Reads what [`Image::pack`] made.
    pub fn unpack(mut packed: &[u8]) -> Self {
        let mut files = Vec::new();
        while !packed.is_empty() {
            let path_length = u16::from_be_bytes(take(&mut packed, 2).try_into().unwrap());
            let path = std::str::from_utf8(take(&mut packed, path_length.into())).unwrap().into();
            let length = u64::from_be_bytes(take(&mut packed, 8).try_into().unwrap());
            let kept = u32::from_be_bytes(take(&mut packed, 4).try_into().unwrap());
            files.push((path, take(&mut packed, kept as usize).to_vec(), length));
        }
        Self(files)
    }

    /// One piece of bytes: for each file the length of its path (u16), the path, the file's length (u64), the
    /// length of its content up to the last byte that is not zero (u32), and that content. Big-endian.
    pub fn pack(&self) -> Vec<u8> {
        let mut packed = Vec::new();
        for (path, bytes, length) in &self.0 {
            let path = path.to_str().unwrap();
            packed.extend((path.len() as u16).to_be_bytes());
            packed.extend(path.as_bytes());
            packed.extend(length.to_be_bytes());
            packed.extend((bytes.len() as u32).to_be_bytes());
            packed.extend(bytes);
        }
        packed
    }
}

fn take<'a>(packed: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (taken, rest) = packed.split_at(length);
    *packed = rest;
    taken
}

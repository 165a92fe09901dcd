//! A directory packed into one file: for each of its files the length of its path (u16), the path, the file's
//! length (u64), the length of its content up to the last byte that is not zero (u32), and that content.
//! Numbers are big-endian. Journals are mostly reserved space.

use std::fs;
use std::path::Path;

fn take<'a>(packed: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (taken, rest) = packed.split_at(length);
    *packed = rest;
    taken
}

/// Unpacks a directory.
pub fn unpack(mut packed: &[u8], directory: &Path) {
    while !packed.is_empty() {
        let path_length = u16::from_be_bytes(take(&mut packed, 2).try_into().unwrap());
        let path = std::str::from_utf8(take(&mut packed, path_length.into())).unwrap();
        let path = directory.join(path);
        let length = u64::from_be_bytes(take(&mut packed, 8).try_into().unwrap());
        let kept = u32::from_be_bytes(take(&mut packed, 4).try_into().unwrap());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, take(&mut packed, kept as usize)).unwrap();
        fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(length).unwrap();
    }
}

/// Packs a directory's files, in the order of their paths.
pub fn pack(directory: &Path) -> Vec<u8> {
    let (mut paths, mut open) = (Vec::new(), vec![directory.to_owned()]);
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { open.push(path) } else { paths.push(path) }
        }
    }
    paths.sort();
    let mut packed = Vec::new();
    for path in paths {
        let content = fs::read(&path).unwrap();
        let kept = content.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let name = path.strip_prefix(directory).unwrap().to_str().unwrap();
        packed.extend((name.len() as u16).to_be_bytes());
        packed.extend(name.as_bytes());
        packed.extend((content.len() as u64).to_be_bytes());
        packed.extend((kept as u32).to_be_bytes());
        packed.extend(&content[..kept]);
    }
    packed
}

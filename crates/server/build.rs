//! Puts the built pages (`web/dist`) into the program: each file under its address, as it is and gzipped. Building the
//! pages is Node's business and was done before they were committed; nothing here needs it.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

fn main() -> Result<(), Box<dyn Error>> {
    let built = Path::new(&std::env::var("CARGO_MANIFEST_DIR")?).join("../../web/dist");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    println!("cargo::rerun-if-changed=build.rs");
    // Cargo looks through the whole folder, so a file more or less is noticed too.
    println!("cargo::rerun-if-changed={}", built.display());
    let mut files = Vec::new();
    collect(&built, &mut files)
        .map_err(|error| format!("the built pages at {}: {error}", built.display()))?;
    files.sort();
    let mut table = String::from("&[");
    for (number, file) in files.iter().enumerate() {
        let bytes = fs::read(file)?;
        let gzipped = out.join(format!("{number}.gz"));
        let mut encoder = GzEncoder::new(fs::File::create(&gzipped)?, Compression::best());
        encoder.write_all(&bytes)?;
        encoder.finish()?;
        write!(
            table,
            "\n    Embedded {{ path: {:?}, plain: include_bytes!({:?}), gzipped: include_bytes!({:?}) }},",
            address(file.strip_prefix(&built)?)?,
            file.canonicalize()?,
            gzipped,
        )?;
    }
    table.push_str("\n]\n");
    fs::write(out.join("pages.rs"), table)?;
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for item in fs::read_dir(folder)? {
        let item = item?;
        if item.file_type()?.is_dir() {
            collect(&item.path(), files)?;
        } else {
            files.push(item.path());
        }
    }
    Ok(())
}

/// `index.html` is `/`, `notes.html` is `/notes`, and everything else has its own name.
fn address(file: &Path) -> Result<String, Box<dyn Error>> {
    let parts: Option<Vec<&str>> = file.iter().map(|part| part.to_str()).collect();
    let name = parts.ok_or("a page's name is no text")?.join("/");
    let page = name.strip_suffix(".html").unwrap_or(&name);
    Ok(if page == "index" { "/".into() } else { format!("/{page}") })
}

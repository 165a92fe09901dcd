//! Tidy checks of the repository: what no compiler checks but every reader relies on. Each check returns its
//! complaints, a line each; none means that all is well. It reads files and changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The most lines of ARCHITECTURE.md: it is to be read in one sitting.
const ARCHITECTURE_LINES_MAX: usize = 300;

/// Folders that hold nothing of ours, for when there is no git to ask.
const SKIPPED_FOLDERS: [&str; 6] = ["target", "node_modules", "dist", "lib", "corpus", "artifacts"];

/// Committed, and made by a program from what else is here: what holds for sources does not hold for it.
const BUILT: &str = "web/dist";

/// What tells of the machine where a file was written. In pieces, so that this file does not complain of itself.
const FORBIDDEN: [&str; 4] =
    [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!(".cargo/regi", "stry"), concat!("../sha", "red/")];

/// Macros that mark unfinished work; written here without their brackets for the same reason.
const UNFINISHED: [&str; 3] = ["todo", "unimplemented", "dbg"];

/// The same in TypeScript: notes to oneself, tests that are alone or left out, and checks that are switched off.
const UNFINISHED_WEB: [&str; 6] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!(".on", "ly("),
    concat!(".sk", "ip("),
    concat!("@ts-", "ignore"),
    concat!("@ts-", "nocheck"),
];

/// Crates that would give the rules a runtime, chance, a clock or files.
const IMPURE: [&str; 14] = [
    "tokio",
    "async-std",
    "smol",
    "mio",
    "socket2",
    "rand",
    "rand_core",
    "getrandom",
    "fastrand",
    "tempfile",
    "fs-err",
    "memmap2",
    "chrono",
    "time",
];

/// The repository, read from disk.
pub struct Repository {
    root: PathBuf,
    files: Vec<PathBuf>,
}

impl Repository {
    /// The repository that this crate was built in.
    pub fn here() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut files = committed_files(&root).unwrap_or_else(|| walk(&root));
        files.retain(|file| !file.starts_with(BUILT));
        Self { root, files }
    }

    fn read(&self, file: &Path) -> Option<String> {
        // What is not text is none of our business.
        fs::read_to_string(self.root.join(file)).ok()
    }

    fn texts(&self) -> impl Iterator<Item = (&PathBuf, String)> {
        self.files.iter().filter_map(|file| self.read(file).map(|text| (file, text)))
    }

    fn with_extension(&self, extension: &str) -> impl Iterator<Item = (&PathBuf, String)> {
        let wanted = move |file: &Path| file.extension().is_some_and(|found| found == extension);
        self.texts().filter(move |(file, _)| wanted(file))
    }

    /// ARCHITECTURE.md exists, is short, and names every crate, each crate's top modules, and the folders of `web`.
    pub fn architecture(&self) -> Vec<String> {
        let Some(text) = self.read(Path::new("ARCHITECTURE.md")) else {
            return vec![
                "ARCHITECTURE.md does not exist: write it, and name every crate and module in it".into(),
            ];
        };
        let mut complaints = Vec::new();
        let lines = text.lines().count();
        if lines > ARCHITECTURE_LINES_MAX {
            complaints.push(format!("ARCHITECTURE.md has {lines} lines, more than {ARCHITECTURE_LINES_MAX}"));
        }
        for (name, modules) in self.modules() {
            let named =
                [format!("crates/{name}"), format!("seabag-{name}"), format!("{name}/"), format!("`{name}`")];
            if !named.iter().any(|named| text.contains(named)) {
                complaints.push(format!("ARCHITECTURE.md does not name the crate {name}"));
            }
            let missing = modules.iter().filter(|module| !has_word(&text, module));
            complaints.extend(
                missing.map(|module| format!("ARCHITECTURE.md does not name {name}'s module {module}")),
            );
        }
        let section = section(&text, "`web`");
        let missing = self.web_modules().into_iter().filter(|module| !has_word(&section, module));
        complaints.extend(
            missing.map(|module| format!("ARCHITECTURE.md does not name {module} in its part on `web`")),
        );
        complaints
    }

    /// What is right under `web/src` and `web/pages`, and the folders in these folders.
    fn web_modules(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for file in self.files.iter() {
            let parts: Vec<_> = file.iter().filter_map(|part| part.to_str()).collect();
            let ["web", "src" | "pages", inside @ ..] = &parts[..] else { continue };
            let folders = inside.len().saturating_sub(1).min(2);
            found.extend(inside[..folders].iter().map(|folder| (*folder).to_owned()));
            if let [file] = inside {
                found.insert(file.split('.').next().unwrap_or_default().into());
            }
        }
        found
    }

    /// The top modules of every crate: files and folders right under `src`.
    fn modules(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut crates: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for file in self.files.iter().filter(|file| file.extension().is_some_and(|found| found == "rs")) {
            let parts: Vec<_> = file.iter().filter_map(|part| part.to_str()).collect();
            let ["crates", name, "src", module, ..] = parts[..] else { continue };
            let modules = crates.entry(name.into()).or_default();
            let module = module.strip_suffix(".rs").unwrap_or(module);
            if !["lib", "main", "bin"].contains(&module) {
                modules.insert(module.into());
            }
        }
        crates
    }

    /// Every Rust file opens with what it is for.
    pub fn openings(&self) -> Vec<String> {
        // Attributes like `#![no_main]` may come first.
        let opens = |text: &str| {
            text.lines().find(|line| !line.starts_with("#![")).is_some_and(|line| line.starts_with("//!"))
        };
        let mute = self.with_extension("rs").filter(|(_, text)| !opens(text));
        mute.map(|(file, _)| format!("{} does not open with //!", file.display())).collect()
    }

    /// Every TypeScript file and every stylesheet opens with what it is for.
    pub fn web_openings(&self) -> Vec<String> {
        let opens = |text: &str, mark: &str| {
            // A script for the shell may say first who runs it.
            text.lines().find(|line| !line.starts_with("#!")).is_some_and(|line| line.starts_with(mark))
        };
        let mut complaints = Vec::new();
        for (extension, mark) in [("ts", "// "), ("tsx", "// "), ("css", "/* ")] {
            let mute = self.with_extension(extension).filter(|(_, text)| !opens(text, mark));
            complaints.extend(mute.map(|(file, _)| format!("{} does not open with {mark}", file.display())));
        }
        complaints
    }

    /// Nothing unfinished is left in the code.
    pub fn unfinished(&self) -> Vec<String> {
        let marks = UNFINISHED.map(|name| format!("{name}!("));
        let web = UNFINISHED_WEB.map(String::from);
        let rust = self.with_extension("rs").flat_map(|(file, text)| mentions(file, &text, &marks));
        let scripts = ["ts", "tsx"].into_iter().flat_map(|extension| self.with_extension(extension));
        rust.chain(scripts.flat_map(|(file, text)| mentions(file, &text, &web))).collect()
    }

    /// No text names a place on the machine where it was written.
    pub fn foreign_paths(&self) -> Vec<String> {
        let marks = FORBIDDEN.map(String::from);
        self.texts().flat_map(|(file, text)| mentions(file, &text, &marks)).collect()
    }

    /// The server never links the code that could open a bag.
    pub fn blind_server(&self) -> Vec<String> {
        let manifests = self.manifests();
        if !manifests.contains_key("seabag-server") {
            return vec!["there is no crate seabag-server".into()];
        }
        match path_between(&manifests, "seabag-server", "seabag-crypto") {
            Some(path) => vec![format!("the server reaches the code that opens bags: {}", path.join(" -> "))],
            None => Vec::new(),
        }
    }

    /// The crate of the rules depends on nothing that does input or output, or is left to chance.
    pub fn pure_protocol(&self) -> Vec<String> {
        let manifests = self.manifests();
        let Some(found) = manifests.get("seabag-protocol") else {
            return vec!["there is no crate seabag-protocol".into()];
        };
        let impure = found.iter().filter(|name| IMPURE.contains(&name.as_str()));
        impure.map(|name| format!("seabag-protocol depends on {name}")).collect()
    }

    /// The two halves of the protocol never import each other.
    pub fn separate_halves(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        for (half, other) in [("room", "host"), ("host", "room")] {
            let folder = Path::new("crates/protocol/src").join(half);
            for (file, text) in self.with_extension("rs") {
                let inside = file.starts_with(&folder) || *file == folder.with_extension("rs");
                if inside && imports(&text, other) {
                    complaints.push(format!("{} imports the other half, {other}", file.display()));
                }
            }
        }
        complaints
    }

    /// By package, what it depends on; not what its tests do.
    fn manifests(&self) -> BTreeMap<String, BTreeSet<String>> {
        let manifests =
            self.files.iter().filter(|file| file.ends_with("Cargo.toml") && file.starts_with("crates"));
        manifests.filter_map(|file| self.read(file)).filter_map(|text| dependencies(&text)).collect()
    }

    /// What every repository of its kind has.
    pub fn required_files(&self) -> Vec<String> {
        let required = ["README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE"];
        let missing = required.iter().filter(|file| !self.root.join(file).is_file());
        missing.map(|file| format!("{file} does not exist")).collect()
    }

    /// Nothing lies about in the first folder that everyone sees: documents, settings and licences only.
    pub fn stray_files(&self) -> Vec<String> {
        let fits = |name: &str| {
            let known = [".md", ".toml"].iter().any(|ending| name.ends_with(ending));
            known || name == "Cargo.lock" || name.starts_with("LICENSE-") || name.starts_with('.')
        };
        let first = self.files.iter().filter(|file| file.components().count() == 1);
        let strays = first.filter(|file| !file.to_str().is_some_and(fits));
        strays.map(|file| format!("{} lies about", file.display())).collect()
    }

    /// Relative links in Markdown lead to files that exist, and to headings that they have.
    pub fn links(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        for (file, text) in self.with_extension("md") {
            for link in relative_links(&text) {
                if let Some(complaint) = self.follow(file, &text, &link) {
                    complaints.push(format!("{}: {complaint}", file.display()));
                }
            }
        }
        complaints
    }

    fn follow(&self, from: &Path, text: &str, link: &str) -> Option<String> {
        let (path, heading) = link.split_once('#').unwrap_or((link, ""));
        let target = if path.is_empty() {
            text.to_owned()
        } else {
            let file = match path.strip_prefix('/') {
                Some(absolute) => PathBuf::from(absolute),
                None => from.parent().unwrap_or(Path::new("")).join(path),
            };
            if !self.root.join(&file).exists() {
                return Some(format!("the link to {link} leads nowhere"));
            }
            let is_markdown = file.extension().is_some_and(|found| found == "md");
            if heading.is_empty() || !is_markdown {
                return None;
            }
            self.read(&file).unwrap_or_default()
        };
        let found = heading.is_empty() || anchors(&target).contains(heading);
        (!found).then(|| format!("the link to {link} names a heading that is not there"))
    }
}

fn committed_files(root: &Path) -> Option<Vec<PathBuf>> {
    let output = Command::new("git").arg("-C").arg(root).args(["ls-files", "-z"]).output().ok()?;
    let names = String::from_utf8(output.stdout).ok()?;
    let files: Vec<_> = names.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from).collect();
    // Deleted and not yet committed: gone all the same.
    let files: Vec<_> = files.into_iter().filter(|file| root.join(file).is_file()).collect();
    (output.status.success() && !files.is_empty()).then_some(files)
}

fn walk(root: &Path) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(folder) = folders.pop() {
        for item in fs::read_dir(root.join(&folder)).into_iter().flatten().flatten() {
            let name = item.file_name();
            let path = folder.join(&name);
            // In a linked worktree `.git` is a file.
            if name.to_str().is_none_or(|name| name == ".git" || SKIPPED_FOLDERS.contains(&name)) {
                continue;
            }
            match item.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(path),
                Ok(kind) if kind.is_file() => files.push(path),
                _ => {}
            }
        }
    }
    files.sort();
    files
}

fn mentions(file: &Path, text: &str, marks: &[String]) -> Vec<String> {
    let mut complaints = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let found = marks.iter().filter(|mark| line.contains(mark.as_str()));
        complaints.extend(found.map(|mark| format!("{}:{}: mentions {mark}", file.display(), number + 1)));
    }
    complaints
}

/// The part of a text under the first heading that has this mark, up to the next heading.
fn section(text: &str, mark: &str) -> String {
    let under = text.lines().skip_while(|line| !(line.starts_with('#') && line.contains(mark)));
    let lines: Vec<_> =
        under.enumerate().take_while(|(at, line)| *at == 0 || !line.starts_with('#')).collect();
    lines.into_iter().map(|(_, line)| line).collect::<Vec<_>>().join("\n")
}

fn has_word(text: &str, word: &str) -> bool {
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    text.split(|character| !is_part(character)).any(|found| found == word)
}

/// Whether code, not its comments, names the module.
fn imports(text: &str, module: &str) -> bool {
    let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    let names = [format!("crate::{module}"), format!("super::{module}"), format!("{module}::")];
    code.into_iter().any(|line| {
        names.iter().any(|name| {
            line.match_indices(name.as_str()).any(|(at, _)| {
                let whole = |character: char| character.is_alphanumeric() || character == '_';
                let (before, after) =
                    (line[..at].chars().next_back(), line[at + name.len()..].chars().next());
                !before.is_some_and(whole) && (name.ends_with(':') || !after.is_some_and(whole))
            })
        })
    })
}

/// A package's name and what it depends on, optional and target-specific ones included.
fn dependencies(manifest: &str) -> Option<(String, BTreeSet<String>)> {
    let manifest: toml::Table = manifest.parse().ok()?;
    let name = manifest.get("package")?.get("name")?.as_str()?.to_owned();
    let mut tables = vec![&manifest];
    let targets = manifest.get("target").and_then(|targets| targets.as_table());
    tables.extend(
        targets.into_iter().flat_map(|targets| targets.values()).filter_map(|target| target.as_table()),
    );
    let mut found = BTreeSet::new();
    for table in tables {
        for kind in ["dependencies", "build-dependencies"] {
            for (name, how) in table.get(kind).and_then(|kind| kind.as_table()).into_iter().flatten() {
                let renamed = how.get("package").and_then(|package| package.as_str());
                found.insert(renamed.unwrap_or(name).to_owned());
            }
        }
    }
    Some((name, found))
}

fn path_between(manifests: &BTreeMap<String, BTreeSet<String>>, from: &str, to: &str) -> Option<Vec<String>> {
    let mut paths = vec![vec![from.to_owned()]];
    let mut visited = BTreeSet::new();
    while let Some(path) = paths.pop() {
        let last = path.last()?.clone();
        if last == to {
            return Some(path);
        }
        if visited.insert(last.clone()) {
            let next = manifests.get(&last).into_iter().flatten();
            paths.extend(next.map(|next| [&path[..], std::slice::from_ref(next)].concat()));
        }
    }
    None
}

/// Lines of Markdown that are not in a block of code, with code between backticks taken out.
fn prose(text: &str) -> Vec<String> {
    let (mut lines, mut in_code) = (Vec::new(), false);
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if !in_code {
            lines.push(line.split('`').step_by(2).collect::<Vec<_>>().join("``"));
        }
    }
    lines
}

fn relative_links(text: &str) -> Vec<String> {
    let mut links = Vec::new();
    for line in prose(text) {
        for rest in line.split("](").skip(1) {
            let link = rest.split([')', ' ']).next().unwrap_or_default();
            let elsewhere = link.contains("://") || link.starts_with("mailto:");
            if !link.is_empty() && !elsewhere {
                links.push(link.trim_matches(['<', '>']).to_owned());
            }
        }
    }
    links
}

/// The names under which headings can be linked to, made as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let (mut anchors, mut in_code) = (BTreeSet::new(), false);
    for line in text.lines() {
        in_code ^= line.trim_start().starts_with("```");
        let title = line.trim_start_matches('#');
        if in_code || title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let kept = |character: &char| character.is_alphanumeric() || [' ', '-', '_'].contains(character);
        let name: String = title.trim().to_lowercase().chars().filter(kept).collect();
        let name = name.replace(' ', "-");
        let repeat = (1..).map(|number| format!("{name}-{number}")).find(|repeat| !anchors.contains(repeat));
        let taken = anchors.contains(&name);
        anchors.extend(if taken { repeat } else { Some(name) });
    }
    anchors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_is_found_through_others_renamed_optional_and_for_one_target() {
        let manifests = [
            "[package]\nname = \"server\"\n[dependencies]\nstore.workspace = true\n[dev-dependencies]\nopener = \"1\"",
            "[package]\nname = \"store\"\n[target.'cfg(unix)'.dependencies]\nalias = { package = \"crypto\", optional = true }",
        ];
        let manifests: BTreeMap<_, _> = manifests.iter().filter_map(|text| dependencies(text)).collect();
        let path = path_between(&manifests, "server", "crypto");
        assert_eq!(path.map(|path| path.join(" ")), Some("server store crypto".to_owned()));
        assert_eq!(path_between(&manifests, "server", "opener"), None, "only tests need it");
    }

    #[test]
    fn an_import_is_told_from_a_word() {
        for text in ["use crate::host::bag;", "use super::super::host;", "let x = host::read();"] {
            assert!(imports(text, "host"), "{text}");
        }
        for text in ["// the other half, crate::host", "let ghost::x", "the_host", "use crate::hosts::x;"] {
            assert!(!imports(text, "host"), "{text}");
        }
    }

    #[test]
    fn links_are_found_outside_of_code_only() {
        let text = "[a](b.md#c) `[x](y)` [web](https://example.org) ![image](i.png \"title\")\n```\n[no](no.md)\n```\n[in](#place)";
        assert_eq!(relative_links(text), ["b.md#c", "i.png", "#place"]);
    }

    #[test]
    fn headings_are_linked_to_as_on_github() {
        let found = anchors("# One Two\n## `code` & more: x_y\n## One Two\n#no\n```\n# comment\n```\n");
        let expected = ["code--more-x_y", "one-two", "one-two-1"];
        assert_eq!(found.into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_section_ends_at_the_next_heading() {
        let text = "# One\nweb\n### `web`: two\nthree\nfour\n### five\nsix";
        assert_eq!(section(text, "`web`"), "### `web`: two\nthree\nfour");
        assert_eq!(section(text, "`none`"), "");
    }

    #[test]
    fn words_are_whole() {
        assert!(has_word("`room/` machine", "room"));
        assert!(!has_word("rooms room_x", "room"));
    }

    #[test]
    fn mentions_name_file_and_line() {
        let found = mentions(Path::new("a.md"), "fine\nbad word", &["bad".into()]);
        assert_eq!(found, ["a.md:2: mentions bad"]);
    }

    #[test]
    fn without_git_the_same_sources_are_found() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let walked = walk(&root);
        for file in ["Cargo.toml", "crates/testing/src/tidy.rs"] {
            assert!(walked.contains(&PathBuf::from(file)), "{file}");
        }
        assert!(!walked.iter().any(|file| file.starts_with("target") || file.starts_with(".git")));
    }
}

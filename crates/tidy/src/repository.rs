//! The files of the repository, read once.

use crate::manifest::Manifest;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Directories that hold no sources: what is built, fetched or served.
const SKIPPED: &[&str] =
    &[".git", "target", "headkeeper-data", "corpus", "artifacts", "__pycache__", ".venv"];
/// Data for tests: their bytes are somebody else's, only their names count.
const DATA: &[&str] = &["testdata/", "crates/headkeeper/tests/apache-3.9.5/", "LICENSE"];

/// A file that is text.
#[derive(Clone, Debug)]
pub struct TextFile {
    /// From the root of the repository, with `/`.
    pub path: String,
    /// What is in it.
    pub text: String,
}

/// Every file's name and every text file's text.
#[derive(Debug, Default)]
pub struct Repository {
    root: PathBuf,
    names: BTreeSet<String>,
    files: Vec<TextFile>,
}

impl Repository {
    /// Reads what is below `root`.
    pub fn open(root: &Path) -> io::Result<Repository> {
        let mut repository = Repository { root: root.to_owned(), ..Repository::default() };
        repository.visit(root)?;
        repository.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(repository)
    }

    /// A repository of these files alone, for tests of the rules.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Repository {
        let files: Vec<TextFile> = files
            .iter()
            .map(|(path, text)| TextFile { path: (*path).to_owned(), text: (*text).to_owned() })
            .collect();
        let names = files.iter().map(|file| file.path.clone()).collect();
        Repository { root: PathBuf::new(), names, files }
    }

    fn visit(&mut self, directory: &Path) -> io::Result<()> {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if SKIPPED.contains(&name.as_str()) {
                continue;
            }
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                self.visit(&path)?;
            } else if let Ok(relative) = path.strip_prefix(&self.root) {
                let relative = relative.to_string_lossy().into_owned();
                if let Ok(text) = String::from_utf8(fs::read(&path)?) {
                    self.files.push(TextFile { path: relative.clone(), text });
                }
                self.names.insert(relative);
            }
        }
        Ok(())
    }

    /// Where it was read from.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether there is a file or directory of this name.
    pub(crate) fn has(&self, path: &str) -> bool {
        let directory = format!("{}/", path.trim_end_matches('/'));
        self.names.contains(path) || self.names.iter().any(|name| name.starts_with(&directory))
    }

    /// The text of one file.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.iter().find(|file| file.path == path).map(|file| file.text.as_str())
    }

    /// Text that people of this project write.
    pub(crate) fn prose_and_code(&self) -> impl Iterator<Item = &TextFile> {
        self.files
            .iter()
            .filter(|file| !DATA.iter().any(|data| file.path.starts_with(data)))
            .filter(|file| !file.path.ends_with(".lock") && !file.path.ends_with(".swp"))
    }

    /// Files whose name ends so.
    pub(crate) fn ending<'a>(&'a self, end: &'a str) -> impl Iterator<Item = &'a TextFile> {
        self.prose_and_code().filter(move |file| file.path.ends_with(end))
    }

    /// Files below a directory whose name ends so.
    pub(crate) fn below<'a>(
        &'a self,
        directory: &'a str,
        end: &'a str,
    ) -> impl Iterator<Item = &'a TextFile> {
        self.ending(end).filter(move |file| file.path.starts_with(directory))
    }

    /// The manifests of all packages, by path.
    pub(crate) fn manifests(&self) -> Vec<Manifest> {
        self.ending("Cargo.toml").filter_map(|file| Manifest::read(&file.path, &file.text)).collect()
    }
}

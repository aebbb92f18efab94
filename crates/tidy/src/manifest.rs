//! As much of a `Cargo.toml` as the rules need.

/// When a dependency counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// In the product, or what builds it.
    Normal,
    /// In tests, examples and benchmarks.
    Test,
}

/// A package.
#[derive(Debug)]
pub(crate) struct Manifest {
    /// The manifest's path.
    pub(crate) path: String,
    /// The package's name.
    pub(crate) name: String,
    /// Line, kind and name of every dependency.
    pub(crate) dependencies: Vec<(usize, Kind, String)>,
}

impl Manifest {
    /// Reads a manifest; nothing for one without a package, such as the workspace's.
    pub(crate) fn read(path: &str, text: &str) -> Option<Manifest> {
        let (mut name, mut dependencies) = (None, Vec::new());
        let mut section = String::new();
        let mut depth = 0i32;
        for (number, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line.trim())) {
            if depth == 0 && line.starts_with('[') {
                section = line.trim_matches(['[', ']']).to_owned();
                if let Some((kind, dependency)) = named_section(&section) {
                    dependencies.push((number, kind, dependency.to_owned()));
                }
                continue;
            }
            if let Some((key, value)) = line.split_once('=').filter(|_| depth == 0 && !line.starts_with('#'))
            {
                let key = key.trim();
                if section == "package" && key == "name" {
                    name = Some(value.trim().trim_matches('"').to_owned());
                }
                if let Some(kind) = kind_of(&section) {
                    let dependency = key.split('.').next().unwrap_or(key);
                    dependencies.push((number, kind, dependency.to_owned()));
                }
            }
            depth += line.matches(['[', '{']).count() as i32 - line.matches([']', '}']).count() as i32;
        }
        Some(Manifest { path: path.to_owned(), name: name?, dependencies })
    }

    /// The directory of the package, with a `/` at its end.
    pub(crate) fn directory(&self) -> &str {
        self.path.strip_suffix("Cargo.toml").unwrap_or(&self.path)
    }
}

/// `dependencies`, `dev-dependencies`, `target.'…'.dependencies` and the like.
fn kind_of(section: &str) -> Option<Kind> {
    match section.rsplit('.').next()? {
        _ if section.starts_with("workspace") => None,
        "dependencies" | "build-dependencies" => Some(Kind::Normal),
        "dev-dependencies" => Some(Kind::Test),
        _ => None,
    }
}

/// `[dependencies.name]`.
fn named_section(section: &str) -> Option<(Kind, &str)> {
    let (table, name) = section.rsplit_once('.')?;
    Some((kind_of(table)?, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_a_dependency() {
        let text = "[package]\nname = \"x\"\n[dependencies]\na.workspace = true\nb = { version = \"1\",\n  features = [\n    \"c\",\n  ] }\n\
                    [dependencies.d]\nversion = \"1\"\n[target.'cfg(unix)'.dev-dependencies]\ne = \"1\"\n[features]\nf = []\n";
        let manifest = Manifest::read("Cargo.toml", text).expect("a package");
        let found: Vec<_> =
            manifest.dependencies.iter().map(|(_, kind, name)| (*kind, name.as_str())).collect();
        assert_eq!(found, [(Kind::Normal, "a"), (Kind::Normal, "b"), (Kind::Normal, "d"), (Kind::Test, "e")]);
    }

    #[test]
    fn a_workspace_is_no_package() {
        assert!(Manifest::read("Cargo.toml", "[workspace]\n[workspace.dependencies]\na = \"1\"\n").is_none());
    }
}

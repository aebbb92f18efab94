pub struct Recovered {
    pub tree: tree::Tree,
    pub log: store::LogWriter,
}

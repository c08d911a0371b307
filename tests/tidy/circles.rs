//! Files of a crate know each other in one direction. A module file and its children are one thing in two places, so what
//! they say of each other does not count; any other way from a file back to itself does.

use crate::assert_none;
use crate::source::SourceFile;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// `a::b::c`, without `crate`.
type ModulePath = Vec<String>;

/// Something of this crate that a file names.
struct PathMention {
    path: ModulePath,
    /// What it is called in the file from there on; none for a path in the middle of code.
    alias: Option<String>,
}

/// A file, and what it names.
#[derive(Default)]
struct FileUnit {
    file: String,
    mentions: Vec<PathMention>,
    /// Items that it defines.
    items: BTreeSet<String>,
}

/// The files of one crate by module.
struct CrateFiles(BTreeMap<ModulePath, FileUnit>);

impl CrateFiles {
    /// The files of each crate.
    fn of_all_crates() -> BTreeMap<String, CrateFiles> {
        let mut crates: BTreeMap<String, Vec<SourceFile>> = BTreeMap::new();
        for source in SourceFile::all().into_iter().filter(|source| !source.is_test_file()) {
            let mut parts = source.path.iter().map(|part| part.to_string_lossy().into_owned());
            let name = match parts.next() {
                Some(first) if first == "src" => "mod_wsgi".to_owned(),
                Some(first) if parts.next().as_deref() == Some("src") => first,
                _ => continue,
            };
            crates.entry(name).or_default().push(source);
        }
        crates.into_iter().map(|(name, sources)| (name, Self::of(&sources))).collect()
    }

    fn of(sources: &[SourceFile]) -> Self {
        let modules: BTreeSet<ModulePath> = sources.iter().map(module_of).collect();
        let unit = |source: &SourceFile| {
            let code: Vec<&str> = source.code_lines().map(|(_, line)| line).collect();
            let tokens = tokens(&code);
            let module = module_of(source);
            let mut mentions = imports(&tokens, &module, &modules);
            mentions.extend(paths(&tokens, &module, &modules, &mentions));
            let items = tokens.windows(2).filter(|pair| DEFINING.contains(&pair[0]));
            let items = items.map(|pair| pair[1].to_owned()).collect();
            (module, FileUnit { file: source.path.display().to_string(), mentions, items })
        };
        Self(sources.iter().map(unit).collect())
    }

    /// The file that a path leads to, behind what module files pass on.
    fn target(&self, path: &[String], depth: usize) -> ModulePath {
        let module = (0..=path.len()).rev().map(|len| &path[..len]).find(|part| self.0.contains_key(*part));
        let module = module.unwrap_or_default();
        let Some((name, rest)) = path[module.len()..].split_first().filter(|_| depth < MOST_STEPS) else {
            return module.to_vec();
        };
        let Some(unit) = self.0.get(module).filter(|unit| !unit.items.contains(name)) else {
            return module.to_vec();
        };
        for mention in &unit.mentions {
            let further = |path: &[String]| [path, rest].concat();
            match mention.alias.as_deref() {
                Some("*") => {
                    let inner = [mention.path.as_slice(), std::slice::from_ref(name), rest].concat();
                    let target = self.target(&inner, depth + 1);
                    if self.0.get(&target).is_some_and(|unit| unit.items.contains(name)) {
                        return target;
                    }
                }
                Some(alias) if alias == name => return self.target(&further(&mention.path), depth + 1),
                _ => (),
            }
        }
        module.to_vec()
    }

    /// Who names whom.
    fn edges(&self) -> BTreeMap<&ModulePath, BTreeSet<ModulePath>> {
        let mut edges: BTreeMap<&ModulePath, BTreeSet<ModulePath>> = BTreeMap::new();
        for (module, unit) in &self.0 {
            // A module that is imported is only a name; what is taken out of it stands further below.
            let is_name =
                |mention: &PathMention| mention.alias.is_some() && self.0.contains_key(&mention.path);
            let named = unit.mentions.iter().filter(|mention| !is_name(mention));
            let targets = named.map(|mention| self.target(&mention.path, 0));
            let other = targets.filter(|target| {
                target != module && !is_parent(module, target) && !is_parent(target, module)
            });
            edges.insert(module, other.collect());
        }
        edges
    }

    /// For each group of files that know each other in circles: the files, and the shortest circle.
    fn circles(&self) -> Vec<(BTreeSet<ModulePath>, Vec<ModulePath>)> {
        let edges = self.edges();
        let mut found: Vec<(BTreeSet<ModulePath>, Vec<ModulePath>)> = Vec::new();
        for start in self.0.keys() {
            if found.iter().any(|(files, _)| files.contains(start)) {
                continue;
            }
            let reached = reach(&edges, start);
            let back = |other: &&ModulePath| *other == start || reach(&edges, other).contains_key(start);
            let files: BTreeSet<ModulePath> = reached.keys().filter(back).cloned().collect();
            if files.contains(start) {
                let ways = files.iter().map(|file| circle(&edges, file));
                let shortest = ways.min_by_key(Vec::len).unwrap_or_default();
                found.push((files, shortest));
            }
        }
        found
    }

    fn name(&self, module: &ModulePath) -> &str {
        self.0.get(module).map_or("?", |unit| &unit.file)
    }
}

/// Names that are passed on from module to module more often than this are a circle themselves.
const MOST_STEPS: usize = 8;

/// What stands before the name of an item.
const DEFINING: [&str; 9] =
    ["fn", "struct", "enum", "union", "trait", "type", "const", "static", "macro_rules"];

fn is_parent(parent: &[String], child: &[String]) -> bool {
    child.split_last().is_some_and(|(_, above)| above == parent)
}

/// Whom a file knows in the end, and through whom; itself only through others.
fn reach<'e>(
    edges: &'e BTreeMap<&ModulePath, BTreeSet<ModulePath>>,
    start: &'e ModulePath,
) -> BTreeMap<ModulePath, &'e ModulePath> {
    let mut through: BTreeMap<ModulePath, &ModulePath> = BTreeMap::new();
    let mut open = VecDeque::from([start]);
    while let Some(module) = open.pop_front() {
        for next in edges.get(module).into_iter().flatten() {
            if !through.contains_key(next) {
                through.insert(next.clone(), module);
                open.push_back(next);
            }
        }
    }
    through
}

/// The shortest way from a file back to it.
fn circle(edges: &BTreeMap<&ModulePath, BTreeSet<ModulePath>>, start: &ModulePath) -> Vec<ModulePath> {
    let through = reach(edges, start);
    let mut way = vec![start.clone()];
    let mut at = start;
    while let Some(before) = through.get(at) {
        way.push((*before).clone());
        if *before == start {
            break;
        }
        at = before;
    }
    way.reverse();
    way
}

fn module_of(source: &SourceFile) -> ModulePath {
    let parts = source.path.iter().map(|part| part.to_string_lossy().into_owned());
    let mut words: ModulePath = parts.skip_while(|part| part != "src").skip(1).collect();
    let file = words.pop().unwrap_or_default();
    if !["lib.rs", "main.rs", "mod.rs"].contains(&file.as_str()) {
        words.push(file.trim_end_matches(".rs").to_owned());
    }
    words
}

/// ModulePath, `::`, and all other characters one by one.
fn tokens<'c>(lines: &[&'c str]) -> Vec<&'c str> {
    let mut found = Vec::new();
    for line in lines {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            let length = match first {
                _ if is_word(first) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
                ':' if rest.starts_with("::") => 2,
                _ => first.len_utf8(),
            };
            found.push(&rest[..length]);
            rest = rest[length..].trim_start();
        }
    }
    found
}

/// What a path names, counted from the root of the crate; none if it leads out of the crate.
fn absolute(path: &[&str], module: &[String], modules: &BTreeSet<ModulePath>) -> Option<ModulePath> {
    let (first, mut rest) = path.split_first()?;
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<ModulePath>();
    let mut base = module.to_vec();
    match *first {
        "crate" => return Some(owned(rest)),
        "self" => (),
        "super" => {
            base.pop()?;
            while let Some(("super", further)) = rest.split_first().map(|(word, further)| (*word, further)) {
                base.pop()?;
                rest = further;
            }
        }
        child => {
            base.push(child.to_owned());
            modules.get(&base)?;
        }
    }
    base.extend(owned(rest));
    Some(base)
}

/// The `use` lines.
fn imports(tokens: &[&str], module: &[String], modules: &BTreeSet<ModulePath>) -> Vec<PathMention> {
    let mut found = Vec::new();
    for (at, _) in tokens.iter().enumerate().filter(|(_, token)| **token == "use") {
        let line = tokens[at + 1..].iter().take_while(|token| **token != ";").copied();
        let mut leaves = Vec::new();
        tree(&mut line.peekable(), &[], &mut leaves);
        for (path, alias) in leaves {
            if let Some(path) = absolute(&path, module, modules) {
                found.push(PathMention { path, alias: Some(alias.to_owned()) });
            }
        }
    }
    found
}

/// The leaves of a tree of names: their paths, and what they are called.
fn tree<'c>(
    tokens: &mut std::iter::Peekable<impl Iterator<Item = &'c str>>,
    before: &[&'c str],
    leaves: &mut Vec<(Vec<&'c str>, &'c str)>,
) {
    let mut path = before.to_vec();
    let mut alias = "";
    while let Some(token) = tokens.next() {
        match token {
            "::" => (),
            "{" => {
                while tokens.peek().is_some_and(|next| *next != "}") {
                    tree(tokens, &path, leaves);
                    tokens.next_if_eq(&",");
                }
                tokens.next();
                return;
            }
            "as" => alias = tokens.next().unwrap_or_default(),
            "*" => alias = "*",
            "self" if !path.is_empty() => (),
            word => path.push(word),
        }
        if tokens.peek().is_none_or(|next| matches!(*next, "," | "}")) {
            break;
        }
    }
    if alias.is_empty() {
        alias = path.last().copied().unwrap_or_default();
    }
    leaves.push((path, alias));
}

/// Paths in the middle of code that begin at the crate, in a module below, or with an imported name.
fn paths(
    tokens: &[&str],
    module: &[String],
    modules: &BTreeSet<ModulePath>,
    imports: &[PathMention],
) -> Vec<PathMention> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at] == "use" {
            at += tokens[at..].iter().take_while(|token| **token != ";").count();
            continue;
        }
        let is_start =
            tokens.get(at + 1) == Some(&"::") && (at == 0 || !["::", "."].contains(&tokens[at - 1]));
        if !is_start {
            at += 1;
            continue;
        }
        let mut path = vec![tokens[at]];
        while let [separator, word, ..] = &tokens[at + 1..]
            && *separator == "::"
            && word.starts_with(|c: char| c.is_alphabetic() || c == '_')
        {
            path.push(word);
            at += 2;
        }
        at += 1;
        let imported = imports.iter().find(|mention| mention.alias.as_deref() == Some(path[0]));
        let path = match imported {
            Some(mention) => {
                let rest = path[1..].iter().map(|word| (*word).to_owned());
                Some(mention.path.iter().cloned().chain(rest).collect())
            }
            None => absolute(&path, module, modules),
        };
        found.extend(path.map(|path| PathMention { path, alias: None }));
    }
    found
}

#[test]
fn files_know_each_other_in_one_direction() {
    let mut found = Vec::new();
    for (name, files) in CrateFiles::of_all_crates() {
        found.extend(files.circles().iter().map(|(group, way)| {
            let way: Vec<&str> = way.iter().map(|module| files.name(module)).collect();
            format!("{name}: {} files; the shortest way: {}", group.len(), way.join(" → "))
        }));
    }
    assert_none("a file is not known by what it knows, other than a module and its children", found);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles(files: &[(&str, &str)]) -> Vec<Vec<String>> {
        let source = |(path, code): &(&str, &str)| SourceFile {
            path: format!("x/src/{path}").into(),
            text: String::new(),
            code: (*code).to_owned(),
        };
        let files = CrateFiles::of(&files.iter().map(source).collect::<Vec<_>>());
        files
            .circles()
            .into_iter()
            .map(|(_, way)| way.iter().map(|module| module.join("::")).collect())
            .collect()
    }

    #[test]
    fn a_circle_is_found_however_it_is_written() {
        let none: Vec<Vec<String>> = Vec::new();
        let ways = [
            "use crate::b::Thing;",
            "use crate::{b::{Thing, self}, c};\nfn f(_: b::Thing) {}",
            "use super::b as other;\nfn f() { other::run() }",
            "fn f() { crate::b::run() }",
            "use super::*;\nfn f() { super::b::run() }",
        ];
        for way in ways {
            assert_eq!(circles(&[("lib.rs", "mod a;"), ("a.rs", way), ("b.rs", "pub fn run() {}")]), none);
            let back = circles(&[("lib.rs", ""), ("a.rs", way), ("b.rs", "use crate::a::f;"), ("c.rs", "")]);
            assert_eq!(back, [["a", "b", "a"]], "{way}");
        }
        assert_eq!(circles(&[("a.rs", "use crate::b;"), ("b.rs", "use crate::a::X;")]), none, "a name alone");
    }

    #[test]
    fn modules_and_their_children_are_one() {
        let none: Vec<Vec<String>> = Vec::new();
        let family = [("m/mod.rs", "use one::A;\nstruct B;"), ("m/one.rs", "use super::B;\npub struct A;")];
        assert_eq!(circles(&family), none);
        let twins =
            [("m/mod.rs", ""), ("m/one.rs", "use super::two::B;"), ("m/two.rs", "use super::one::A;")];
        assert_eq!(circles(&twins), [["m::one", "m::two", "m::one"]]);
    }

    #[test]
    fn what_a_module_passes_on_is_where_it_is_made() {
        let passed = |back| {
            circles(&[
                ("m/mod.rs", "pub use one::Thing;\npub use two::*;"),
                ("m/one.rs", back),
                ("m/two.rs", "pub struct Other;"),
                ("n.rs", "use crate::m::{Other, Thing};"),
            ])
        };
        assert_eq!(passed("pub struct Thing;").len(), 0);
        assert_eq!(passed("use crate::n;\nfn f() { n::run() }"), [["m::one", "n", "m::one"]]);
    }
}

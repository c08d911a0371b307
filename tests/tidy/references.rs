//! What comments refer to is in the tree: files, their headings, and their numbered sections.

use crate::source::SourceFile;
use crate::{assert_none, at};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Where a file that a comment names may be, beside the folder of the comment.
const FOLDERS: [&str; 3] = ["", "docs", "docs/dev"];

/// A run of comment lines: the number of its first line, and its text in one line.
struct CommentRun {
    line: usize,
    text: String,
}

fn comments(source: &SourceFile) -> Vec<CommentRun> {
    let mut found: Vec<CommentRun> = Vec::new();
    let mut previous = 0;
    for (index, line) in source.text.lines().enumerate() {
        let trimmed = line.trim_start();
        if !trimmed.starts_with("//") {
            continue;
        }
        let text = trimmed.trim_start_matches(['/', '!']).trim();
        match found.last_mut().filter(|_| previous == index) {
            Some(comment) => comment.text = format!("{} {text}", comment.text),
            None => found.push(CommentRun { line: index + 1, text: text.to_owned() }),
        }
        previous = index + 1;
    }
    found
}

/// Texts of documents by the names that comments use; `None` for one that is not there.
#[derive(Default)]
struct DocumentTexts(BTreeMap<String, Option<String>>);

impl DocumentTexts {
    fn get(&mut self, name: &str, folder: &Path) -> Option<&String> {
        let read = || {
            let root = crate::source::tree();
            let places = FOLDERS.iter().map(|place| root.join(place)).chain([root.join(folder)]);
            places.into_iter().find_map(|place| fs::read_to_string(place.join(name)).ok())
        };
        self.0.entry(name.to_owned()).or_insert_with(read).as_ref()
    }
}

/// The headings of a document, without their marks.
fn headings(document: &str) -> impl Iterator<Item = &str> {
    document.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim())
}

fn has_section(document: &str, number: &str) -> bool {
    headings(document).any(|heading| {
        heading
            .strip_prefix(number)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '.']) && !rest.starts_with(".0"))
    })
}

/// A word without the punctuation around it.
fn bare(word: &str) -> &str {
    word.trim_matches(|c: char| !c.is_alphanumeric() && !matches!(c, '§' | '/' | '_'))
}

/// What does not lead anywhere in one comment. `usual` is the document that a section without one is in.
fn dead_ends(
    comment: &str,
    usual: Option<&str>,
    folder: &Path,
    documents: &mut DocumentTexts,
) -> Vec<String> {
    let mut found = Vec::new();
    let mut document = usual.map(str::to_owned);
    let words: Vec<&str> = comment.split_whitespace().collect();
    for (index, word) in words.iter().enumerate() {
        let name = bare(word);
        if name.ends_with(".md") && name.len() > 3 {
            if documents.get(name, folder).is_none() {
                found.push(format!("{name} is not in the tree"));
            }
            document = Some(name.to_owned());
        } else if let Some(section) = name.strip_prefix('§') {
            let is_standard = index > 1 && ["RFC", "PEP"].contains(&bare(words[index - 2]));
            let number = section.split(['–', '-']).next().unwrap_or_default();
            let there = document.as_deref().and_then(|name| documents.get(name, folder));
            if !is_standard && !there.is_some_and(|text| has_section(text, number)) {
                found.push(format!("§{number} of {}", document.as_deref().unwrap_or("no document")));
            }
        } else if name == "issue"
            && words.get(index + 1).is_some_and(|next| bare(next).parse::<u32>().is_ok())
        {
            found.push("issues are not in the tree".to_owned());
        }
    }
    found.extend(dead_headings(comment, folder, documents));
    found
}

/// A file followed by a heading in quotes, where there is no such heading.
fn dead_headings(comment: &str, folder: &Path, documents: &mut DocumentTexts) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in comment.match_indices(".md, \"") {
        let name = comment[..at].rsplit([' ', '(']).next().unwrap_or_default().to_owned() + ".md";
        let heading = comment[at + 6..].split('"').next().unwrap_or_default();
        let is_there =
            documents.get(&name, folder).is_some_and(|text| headings(text).any(|line| line == heading));
        if !is_there {
            found.push(format!("{name} has no heading {heading:?}"));
        }
    }
    found
}

/// The one document of `docs/dev/spec` that the head of a file names.
fn usual_document(comments: &[CommentRun]) -> Option<String> {
    let head = comments.first().filter(|comment| comment.line == 1)?;
    let names = head.text.split_whitespace().map(bare).filter(|word| word.ends_with(".md"));
    let mut names: Vec<&str> = names.filter(|name| name.starts_with("spec/")).collect();
    names.dedup();
    (names.len() == 1).then(|| names[0].to_owned())
}

#[test]
fn references_lead_somewhere() {
    let mut documents = DocumentTexts::default();
    let mut found = Vec::new();
    for source in SourceFile::all() {
        let comments = comments(&source);
        let usual = usual_document(&comments);
        let folder = source.path.parent().unwrap_or(Path::new("")).to_owned();
        for comment in &comments {
            let dead = dead_ends(&comment.text, usual.as_deref(), &folder, &mut documents);
            found.extend(dead.into_iter().map(|what| at(&source, comment.line, &what)));
        }
    }
    assert_none("comments refer to files, headings and sections that are in the tree", found);
}

#[test]
fn dead_ends_are_found() {
    let mut documents = DocumentTexts::default();
    let mut count = |text: &str, usual| dead_ends(text, usual, Path::new(""), &mut documents).len();
    let fine = [
        "spec/behaviour.md §1.1 #5, §4.4.",
        "RFC 4648 §4.",
        "(decisions.md, \"Dead or alive\").",
        "CONTRIBUTING.md says why.",
    ];
    assert!(fine.iter().all(|text| count(text, None) == 0));
    assert_eq!(count("§3.1: read", Some("spec/behaviour.md")), 0);
    let dead = [
        "§3.1: read",
        "design.md",
        "spec/behaviour.md §77",
        "decisions.md, \"No such\".",
        "see issue 5 item 3",
    ];
    assert!(dead.iter().all(|text| count(text, None) == 1));
}

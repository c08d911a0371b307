//! How many words follow a directive.

/// How many arguments a directive takes. The glue registers every row as RAW_ARGS; counting happens here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arity {
    /// Exactly one word.
    Take1,
    /// One or two words.
    Take12,
    /// The directive's own handler splits the rest of the line.
    RawArgs,
    /// Any number of words, also none.
    List,
    /// A section: its opening tag, then directives up to its closing tag.
    Section,
}

impl Arity {
    /// httpd's complaint about a wrong number of arguments, after the directive's name.
    pub(crate) fn complaint(self) -> &'static str {
        match self {
            Arity::Take1 => "takes one argument",
            Arity::Take12 => "takes 1-2 arguments",
            Arity::RawArgs | Arity::List | Arity::Section => "has invalid arguments",
        }
    }
}

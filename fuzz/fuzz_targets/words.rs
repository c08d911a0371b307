//! The word splitter: it ends, gives back no more than the line holds, and forgets nothing but blanks and quotes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsgi_directives::words::LineWords;

fuzz_target!(|line: &str| {
    let words: Vec<_> = LineWords::new(line).collect();
    assert!(words.iter().map(|word| word.len()).sum::<usize>() <= line.len());
    let mut pairs = LineWords::new(line);
    while let Some(pair) = pairs.pair() {
        let Ok((name, _)) = pair else { break };
        assert!(!name.is_empty() && !name.contains('='));
    }
});

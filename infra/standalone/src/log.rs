//! The log of one machine: one line for each event, with control characters from providers and strangers escaped.

use std::io::{self, Write};

use tracing_subscriber::fmt::MakeWriter;

/// Writes each event as one line of `inner`: characters that end a line or control a terminal are escaped.
#[derive(Debug, Clone)]
pub struct OneLine<M>(pub M);

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for OneLine<M> {
    type Writer = LineWriter<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        LineWriter(self.0.make_writer())
    }
}

/// Writes one event. The formatter passes each whole, with the line end after it.
pub struct LineWriter<W>(W);

impl<W: Write> Write for LineWriter<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let (line, end) = match text.strip_suffix('\n') {
            Some(line) => (line, "\n"),
            None => (text.as_ref(), ""),
        };
        self.0.write_all(format!("{}{end}", escaped(line)).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn escaped(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    for letter in line.chars() {
        if steers(letter) { text.extend(letter.escape_default()) } else { text.push(letter) }
    }
    text
}

/// Whether a character ends a line, controls a terminal, or changes the direction of the text after it.
fn steers(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(text);
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn no_message_and_no_field_makes_a_line_of_its_own() {
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber = tracing_subscriber::fmt().without_time().with_writer(OneLine(move || writer.clone())).finish();
        tracing::subscriber::with_default(subscriber, || {
            let forged = "no\n2026-01-01T00:00:00Z  INFO all is well\r\u{1b}[2J\u{9b}31m\u{2028}\u{202e}\0";
            tracing::warn!(failure = %forged, debugged = ?forged, "a provider said: {forged}");
            tracing::info!("Титов: 100 €");
        });
        let log = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<_> = log.split_inclusive('\n').collect();
        assert_eq!(lines.len(), 2, "{log:?}");
        assert!(lines[0].contains("failure=no\\n2026-01-01T00:00:00Z  INFO all is well\\r\\u{1b}[2J"), "{log:?}");
        assert!(!lines[0].trim_end_matches('\n').chars().any(steers), "{log:?}");
        assert!(lines[1].ends_with("Титов: 100 €\n"), "{log:?}");
    }
}

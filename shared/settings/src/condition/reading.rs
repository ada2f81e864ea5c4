//! Parses a condition with the `cel` crate, after a check that refuses texts which would nest too deep for its parser.

use cel::IdedExpr;
use cel::parser::pratt_parser::{Lexer, TokenKind};
use cel::parser::{ParseError, PrattParser};
use locale::{Localized, texts};

/// The most characters of a condition.
pub const MAX_LENGTH: usize = 1_000;
/// The most brackets within brackets.
const MAX_BRACKETS: usize = 24;
/// The deepest that brackets and operators in a row may nest expressions: reading, evaluating and dropping them are
/// recursive.
const MAX_NESTING: usize = 150;

/// Reads a condition, or says what is wrong with it.
pub(super) fn read(text: &str) -> Result<IdedExpr, Localized> {
    if text.chars().count() > MAX_LENGTH {
        return Err(Localized::of(|_| texts::settings::ConditionTooLong { most: MAX_LENGTH as u64 }));
    }
    check_nesting(text)?;
    // The parser ends at the first error: its guesses about the rest would help nobody.
    PrattParser::new().error_recovery_limit(0).parse(text).map_err(|errors| {
        let first = errors.errors.iter().find(|error| error.pos.0 > 0).or(errors.errors.first());
        let reason = first.map(describe).unwrap_or_default();
        Localized::of(|_| texts::settings::ConditionUnreadable { reason: reason.as_str() })
    })
}

fn describe(error: &ParseError) -> String {
    let message = error.msg.strip_prefix("Syntax error: ").unwrap_or(&error.msg);
    match error.pos {
        (line, _) if line < 1 => message.to_owned(),
        (1, column) => format!("character {column}: {message}"),
        (line, column) => format!("line {line}, character {column}: {message}"),
    }
}

/// The text between two brackets: how deep its operators nest what is in it.
#[derive(Default)]
struct Level {
    /// Operators in a row since the last comma, `&&` or `||`, and the most of them.
    chain: usize,
    longest: usize,
    /// `? :` in a row since the last comma, and the most of them.
    choices: usize,
    most_choices: usize,
    /// The deepest of the brackets in it.
    inner: usize,
}

impl Level {
    fn depth(&self) -> usize {
        self.longest + self.most_choices + self.inner
    }

    fn add(&mut self, kind: TokenKind) {
        match kind {
            TokenKind::TokComma => (self.chain, self.choices) = (0, 0),
            TokenKind::TokLogicalAnd | TokenKind::TokLogicalOr => self.chain = 0,
            TokenKind::TokQuestion => self.choices += 1,
            kind if is_operator(kind) => self.chain += 1,
            _ => {}
        }
        self.longest = self.longest.max(self.chain);
        self.most_choices = self.most_choices.max(self.choices);
    }
}

fn is_operator(kind: TokenKind) -> bool {
    use TokenKind as T;
    matches!(
        kind,
        T::TokDot | T::TokLeftBracket | T::TokLeftBrace | T::TokLeftParen | T::TokMinus | T::TokPlus | T::TokAsterisk
    ) || matches!(kind, T::TokSlash | T::TokPercent | T::TokExclamation | T::TokIn | T::TokEqualEqual)
        || matches!(kind, T::TokExclamationEqual | T::TokLess | T::TokLessEqual | T::TokGreater | T::TokGreaterEqual)
}

/// Refuses a text that would nest too deep, before anything is built from it.
fn check_nesting(text: &str) -> Result<(), Localized> {
    use TokenKind as T;
    let mut lexer = Lexer::new(text);
    let mut levels = vec![Level::default()];
    loop {
        let kind = lexer.lex().kind;
        if let Some(level) = levels.last_mut() {
            level.add(kind);
        }
        match kind {
            T::TokLeftParen | T::TokLeftBracket | T::TokLeftBrace => levels.push(Level::default()),
            T::TokRightParen | T::TokRightBracket | T::TokRightBrace if levels.len() > 1 => close(&mut levels),
            T::TokEnd => break,
            _ => {}
        }
        if levels.len() > MAX_BRACKETS + 1 {
            return Err(Localized::of(|_| texts::settings::TooManyBrackets { most: MAX_BRACKETS as u64 }));
        }
    }
    while levels.len() > 1 {
        close(&mut levels);
    }
    if levels[0].depth() > MAX_NESTING {
        return Err(Localized::of(|_| texts::settings::NestsExpressions { most: MAX_NESTING as u64 }));
    }
    Ok(())
}

fn close(levels: &mut Vec<Level>) {
    let depth = levels.pop().map_or(0, |level| level.depth());
    if let Some(outer) = levels.last_mut() {
        outer.inner = outer.inner.max(depth);
    }
}

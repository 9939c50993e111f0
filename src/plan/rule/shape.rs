//! Looks at a rule's text before it is parsed: the parser goes one level of the stack deeper for each bracket and operator,
//! and must not be led to the stack's end. Pure.

/// How deep brackets may be nested.
const MAX_BRACKETS: usize = 16;
/// How many signs may stand outside of texts: operators, dots, brackets, commas.
const MAX_SIGNS: usize = 128;

/// The index of the character that goes too far, and why.
pub fn check(text: &str) -> Result<(), (usize, String)> {
    let (mut open, mut signs, mut quote, mut escaped) = (0_usize, 0, None, false);
    for (at, character) in text.chars().enumerate() {
        if let Some(end) = quote {
            match character {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                _ if character == end => quote = None,
                _ => {}
            }
            continue;
        }
        match character {
            '\'' | '"' => quote = Some(character),
            '(' | '[' | '{' => open += 1,
            ')' | ']' | '}' => open = open.saturating_sub(1),
            _ => {}
        }
        if !character.is_alphanumeric() && !character.is_whitespace() {
            signs += 1;
        }
        if open > MAX_BRACKETS {
            return Err((at, format!("brackets are nested deeper than {MAX_BRACKETS}: write several rules")));
        }
        if signs > MAX_SIGNS {
            return Err((
                at,
                format!("it has more than {MAX_SIGNS} operators, dots and brackets: write several rules"),
            ));
        }
    }
    Ok(())
}

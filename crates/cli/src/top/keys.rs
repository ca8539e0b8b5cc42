//! What keys mean.
//!
//! Does not know what is done then.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// What a user wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Quit,
    /// Stop or go on: the live view is frozen, a replay paused.
    Hold,
    Sort,
    ByMemory,
    ByAge,
    Up,
    Down,
    Back,
    Forth,
    Begin,
    End,
    Faster,
    Slower,
}

/// The wish behind a key.
pub(crate) fn wish(key: KeyEvent) -> Option<Wish> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return matches!(key.code, KeyCode::Char('c' | 'd')).then_some(Wish::Quit);
    }
    Some(match key.code {
        KeyCode::Esc | KeyCode::Char('q' | 'Q') => Wish::Quit,
        KeyCode::Char('p' | ' ') => Wish::Hold,
        KeyCode::Char('s') => Wish::Sort,
        KeyCode::Char('m') => Wish::ByMemory,
        KeyCode::Char('a') => Wish::ByAge,
        KeyCode::Up | KeyCode::Char('k') => Wish::Up,
        KeyCode::Down | KeyCode::Char('j') => Wish::Down,
        KeyCode::Left => Wish::Back,
        KeyCode::Right => Wish::Forth,
        KeyCode::Home => Wish::Begin,
        KeyCode::End => Wish::End,
        KeyCode::Char('+' | '=') => Wish::Faster,
        KeyCode::Char('-') => Wish::Slower,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_keys_quit() {
        let plain = |code| wish(KeyEvent::new(code, KeyModifiers::NONE));
        assert_eq!(plain(KeyCode::Char('q')), Some(Wish::Quit));
        assert_eq!(plain(KeyCode::Esc), Some(Wish::Quit));
        let control = |c| wish(KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL));
        assert_eq!(control('c'), Some(Wish::Quit));
        assert_eq!((control('s'), plain(KeyCode::Char('x'))), (None, None));
    }
}

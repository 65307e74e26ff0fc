//! Colours by meaning.

use anstyle::{AnsiColor, Style as Ansi};

/// What a piece of text is, which decides its colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Style {
    /// Nothing special.
    #[default]
    Plain,
    /// A heading, a name.
    Bold,
    /// Of less weight.
    Dim,
    /// As it should be.
    Good,
    /// Worth a look.
    Warn,
    /// Wrong, or full.
    Bad,
}

impl Style {
    fn ansi(self) -> Ansi {
        match self {
            Self::Plain => Ansi::new(),
            Self::Bold => Ansi::new().bold(),
            Self::Dim => Ansi::new().dimmed(),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Warn => AnsiColor::Yellow.on_default(),
            Self::Bad => AnsiColor::Red.on_default().bold(),
        }
    }

    /// `text`, coloured if `colour`.
    pub fn paint(self, text: &str, colour: bool) -> String {
        if !colour || self == Self::Plain {
            return text.to_owned();
        }
        let ansi = self.ansi();
        format!("{ansi}{text}{ansi:#}")
    }
}

//! `console`: the web console in a real browser, against platformd's API over the hub and members of the suite `platform`.
//!
//! ```text
//!   Chromium (playwright-core, Node) ─▶ platformd serve --console ─▶ hub ◀─ platformd controller ─▶ one, two
//!       ▲ platform/console/e2e/NAME.mjs: what a person does           ▲ what stops and starts meanwhile: [stage]
//! ```

mod scenes;
mod stage;

use super::{Check, Suite};

pub(super) const SUITE: Suite = Suite {
    name: "console",
    about: "the web console in a real browser: releases by clicks, what goes wrong, accessibility",
    checks: &[
        Check {
            sentence: "a person logs in, finds applications and clusters, and is told in words what is refused and why",
            run: scenes::look,
        },
        Check {
            sentence: "a release is started, watched through a lost connection, paused, promoted and done, by clicks alone",
            run: scenes::release,
        },
        Check {
            sentence: "an abort and a rollback show their numbers and are typed to confirm; what is over is refused with the reason",
            run: scenes::abort_and_back,
        },
        Check {
            sentence: "scaling shows the room before, keeps what was typed when it is refused, and claims are answered",
            run: scenes::numbers,
        },
        Check {
            sentence: "while the hub or the API is away the console says so and how old its figures are, and goes on when it is back",
            run: scenes::away,
        },
        Check {
            sentence: "no page has a violation of WCAG 2.2 AA by axe or is wider than its screen, in both themes and languages, at 1280 and 390 px",
            run: scenes::accessible,
        },
        Check {
            sentence: "the browser, the server and the clusters go, and nothing of them is left",
            run: scenes::nothing_left,
        },
    ],
};

//! Naive reference tree and history checkers: an independent second opinion.

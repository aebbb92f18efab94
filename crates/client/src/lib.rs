//! A small blocking client for the shell, the load tool and the tests.

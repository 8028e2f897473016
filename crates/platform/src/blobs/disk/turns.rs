//! One writer of a file at a time.

use std::collections::HashSet;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

/// The files that are being written. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Turns(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    names: Mutex<HashSet<String>>,
    ended: Condvar,
}

impl Turns {
    /// Waits, blocking, until nobody else writes this file. Whoever waited has to look again.
    pub(super) fn take<'a>(&'a self, name: &'a str) -> Turn<'a> {
        let mut names = self.0.names();
        while names.contains(name) {
            names = self.0.ended.wait(names).expect("no holder panics");
        }
        names.insert(name.to_owned());
        Turn { turns: self, name }
    }
}

impl Shared {
    fn names(&self) -> MutexGuard<'_, HashSet<String>> {
        self.names.lock().expect("no holder panics")
    }
}

/// The right to write a file, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    name: &'a str,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turns.0.names().remove(self.name);
        self.turns.0.ended.notify_all();
    }
}

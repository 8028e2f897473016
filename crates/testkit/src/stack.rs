//! What `deploy/local/stack` keeps running for a test.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::free_port;

/// Servers of the test's own, kept by a command of `deploy/local/stack`: when its input ends, whatever became of the
/// test, it kills them.
#[derive(Debug)]
pub struct Stack {
    child: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Stack {
    /// Runs the command with a folder and so many free ports, and waits for the line that says how to reach its
    /// servers. Blocks meanwhile, and panics where they do not start: the command says why.
    pub fn start(command: &str, folder: &Path, ports: usize) -> (Self, Value) {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/local/stack");
        let mut child = Command::new(&program)
            .arg(command)
            .arg(folder)
            .args((0..ports).map(|_| free_port().to_string()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the local stack's program is part of the checkout");
        let commands = child.stdin.take();
        let answers = child.stdout.take().expect("it is piped");
        let mut stack = Self {
            child,
            commands,
            answers: BufReader::new(answers),
        };
        let told = stack.answer();
        let told = serde_json::from_str(&told).unwrap_or_else(|error| {
            panic!("`deploy/local/stack {command}` starts nothing ({error}); it says why above")
        });
        (stack, told)
    }

    /// Says a line to it, and waits for the answer.
    pub fn say(&mut self, line: &str) -> String {
        let commands = self.commands.as_mut().expect("it is open until the end");
        writeln!(commands, "{line}").expect("the stack listens");
        self.answer()
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        let read = self.answers.read_line(&mut line);
        read.expect("the stack answers in UTF-8");
        line.trim_end().to_owned()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        drop(self.commands.take());
        let _ = self.child.wait();
    }
}

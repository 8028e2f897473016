//! Completions and the manual are of the command as it is.

use std::process::{Command, Output};

use tusou_testkit::binary;

/// The commands that `--help` names.
fn commands() -> Vec<String> {
    let help = tusou(&["--help"]);
    let text = String::from_utf8(help.stdout).expect("help is text");
    let (_, list) = text.split_once("Commands:\n").expect("help lists commands");
    let names = list.lines().take_while(|line| !line.is_empty());
    // A description that is longer than a line goes on further in.
    let names = names.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

fn tusou(arguments: &[&str]) -> Output {
    let output = Command::new(binary("tusou")).args(arguments).output();
    let output = output.expect("a built binary starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    output
}

#[test]
fn a_shell_completes_every_command() {
    let commands = commands();
    assert!(commands.len() > 10, "{commands:?}");
    for shell in ["bash", "zsh", "fish"] {
        let script = tusou(&["complete", shell]).stdout;
        let text = String::from_utf8(script).expect("a script is text");
        for command in &commands {
            assert!(
                text.contains(command),
                "{shell} does not complete {command}"
            );
        }
    }
    // Bash itself finds what begins so.
    let asked = "source <(\"$0\" complete bash); COMP_WORDS=(tusou rec); COMP_CWORD=1; _tusou tusou rec tusou; \
                 printf '%s\\n' \"${COMPREPLY[@]}\"";
    let bash = Command::new("bash")
        .args(["-c", asked])
        .arg(binary("tusou"))
        .output()
        .expect("bash starts");
    let found = String::from_utf8(bash.stdout).expect("words are text");
    let mut found: Vec<&str> = found.lines().collect();
    found.sort_unstable();
    assert_eq!(
        found,
        ["reconcile", "recrawl"],
        "{}",
        String::from_utf8_lossy(&bash.stderr)
    );
}

#[test]
fn every_command_has_a_page_of_the_manual() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let pages = folder.path().join("man");
    tusou(&["manual", pages.to_str().expect("its name is text")]);
    let read = |name: String| {
        let text = std::fs::read_to_string(pages.join(&name));
        text.unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    assert!(read("tusou.1".into()).contains(".TH tusou 1"));
    for command in commands() {
        let page = read(format!("tusou-{command}.1"));
        assert!(page.contains(".SH DESCRIPTION"), "{command}");
    }
}

#[test]
fn every_binary_tells_its_version() {
    let version = String::from_utf8(tusou(&["--version"]).stdout).expect("a version is text");
    let number = version
        .trim()
        .strip_prefix("tusou ")
        .expect("its name stands first");
    let (number, commit) = number.split_once('+').unwrap_or((number, ""));
    assert_eq!(number, env!("CARGO_PKG_VERSION"));
    assert!(
        commit
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b'-'),
        "{version}"
    );
    for service in [
        "tusou-crawler",
        "tusou-encoder",
        "tusou-indexer",
        "tusou-search",
    ] {
        let output = Command::new(binary(service)).arg("--version").output();
        let told = String::from_utf8(output.expect("a built binary starts").stdout);
        let expected = version.replacen("tusou", service, 1);
        assert_eq!(told.expect("a version is text"), expected);
    }
}
